"""Lint of the dashboard's modules: imported names exist, and every import, export and declaration is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from samfleet_api.dashboard.pages import STATIC

IMPORT = re.compile(r'^import \{([^}]+)\} from "/dashboard/static/([\w/]+\.js)";$', re.MULTILINE)
ANY_IMPORT = re.compile(r"^import\b[^;]*;$", re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
LITERAL = re.compile(r"//.*$|\"(?:[^\"\\\n]|\\.)*\"", re.MULTILINE)
PAGE = re.compile(r'^  \[/.*, "(\w+)"\],$', re.MULTILINE)
MOST_LINES = 250

MODULES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*.js"))


def read(module: str) -> str:
    return (STATIC / module).read_text()


def imports(module: str) -> list[tuple[str, str]]:
    """Return (name, module) of each imported name."""
    return [(name, source) for names, source in IMPORT.findall(read(module)) for name in re.findall(r"\w+", names)]


@pytest.mark.parametrize("module", MODULES)
def test_imported_names_exist_and_are_used(module: str) -> None:
    code = read(module)
    assert len(ANY_IMPORT.findall(code)) == len(IMPORT.findall(code)), "an import is written in another way"
    body = LITERAL.sub("", ANY_IMPORT.sub("", code))
    for name, source in imports(module):
        assert name in EXPORT.findall(read(source)), f"{source} exports no {name}"
        assert re.search(rf"\b{name}\b", body), f"{name} is not used"


@pytest.mark.parametrize("module", MODULES)
def test_exported_names_are_used(module: str) -> None:
    asked_for = {name for other in MODULES for name, source in imports(other) if source == module}
    asked_for |= {"show"} if Path(module).parent.name == "pages" else set()
    assert set(EXPORT.findall(read(module))) <= asked_for


@pytest.mark.parametrize("module", MODULES)
def test_top_level_declarations_are_used(module: str) -> None:
    code = LITERAL.sub("", read(module))
    for name in re.findall(r"^(?:async )?(?:function|const|let) (\w+)", code, re.MULTILINE):
        assert len(re.findall(rf"\b{name}\b", code)) > 1, f"{name} is not used"


def test_every_page_has_a_module() -> None:
    for name in [*PAGE.findall(read("app.js")), "login"]:
        assert "show" in EXPORT.findall(read(f"pages/{name}.js"))


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_below_the_length_limit(module: str) -> None:
    assert len(read(module).splitlines()) <= MOST_LINES


def test_the_document_has_no_inline_code() -> None:
    page = (STATIC / "page.html").read_text()
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=", page)
