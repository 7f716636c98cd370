"""The packages of `integrations/` use only what samfleet offers to other programs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

INTEGRATIONS = Path(__file__).resolve().parents[2] / "integrations"
PUBLIC = ("samfleet.client", "samfleet.errors", "samfleet.masks")


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def internal(source: str) -> list[str]:
    """Return the imported modules of samfleet that are not public."""
    ours = [name for name in imports_of(source) if name.partition(".")[0] in {"samfleet", "samfleet_models"}]
    return [name for name in ours if not any(f"{name}.".startswith(f"{public}.") for public in PUBLIC)]


def test_the_packages_import_only_public_modules() -> None:
    files = sorted(INTEGRATIONS.glob("*/samfleet_*/*.py"))
    assert {file.parent.name for file in files} == {"samfleet_cvat", "samfleet_fiftyone", "samfleet_label_studio"}
    assert {str(file): found for file in files if (found := internal(file.read_text()))} == {}


def test_an_internal_module_is_found() -> None:
    source = (
        "import samfleet.jobs\nfrom samfleet import exports\nfrom samfleet.client import Client\nimport samfleet_cvat"
    )
    assert internal(source) == ["samfleet.jobs", "samfleet.exports"]
