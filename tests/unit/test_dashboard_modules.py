"""Rules of the dashboard's scripts and document that TypeScript and Biome do not check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from samfleet_api.dashboard.pages import STATIC

IMPORT = re.compile(r'^import \{([^}]+)\} from "/dashboard/static/([\w/]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
PAGE = re.compile(r'^  \[/.*, "(\w+)"\],$', re.MULTILINE)

MODULES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*.js"))


def read(module: str) -> str:
    return (STATIC / module).read_text()


def imports(module: str) -> list[tuple[str, str]]:
    """(name, module) of each imported name."""
    return [(name, source) for names, source in IMPORT.findall(read(module)) for name in re.findall(r"\w+", names)]


@pytest.mark.parametrize("module", MODULES)
def test_what_is_exported_is_used(module: str) -> None:
    asked_for = {name for other in MODULES for name, source in imports(other) if source == module}
    asked_for |= {"show"} if Path(module).parent.name == "pages" else set()
    assert set(EXPORT.findall(read(module))) <= asked_for


def test_every_page_has_its_module() -> None:
    for name in [*PAGE.findall(read("app.js")), "login"]:
        assert "show" in EXPORT.findall(read(f"pages/{name}.js"))


def test_the_document_has_nothing_inline() -> None:
    page = (STATIC / "page.html").read_text()
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=", page)
