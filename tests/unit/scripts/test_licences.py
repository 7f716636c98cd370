from __future__ import annotations

from pathlib import Path

import pytest

from scripts.licences import Licence, document, expression_of, extras_by_package, licences

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "licences.md"


@pytest.fixture(scope="module")
def found() -> list[Licence]:
    return licences()


def test_every_dependency_has_an_allowed_licence(found: list[Licence]) -> None:
    assert {"torch", "psycopg", "fastapi"} <= {one.package for one in found}
    assert not [one for one in found if not one.is_allowed]


def test_the_document_is_current(found: list[Licence]) -> None:
    """Under another Python, some packages are not installed; their lines stay."""
    wanted, written = document(found).splitlines(), DOCUMENT.read_text(encoding="utf-8").splitlines()
    missing = [line for line in wanted if line not in written]
    assert not missing, "run make generated"
    packages = {one.package for one in found}
    assert not [line for line in written if line not in wanted and line.split(" | ")[0].strip("| ") in packages]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("", False),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-2.0-only AND MIT", False),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-3.0-only)", True),
        ("(MIT AND GPL-3.0-only) OR AGPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", True),
    ],
)
def test_copyleft_is_allowed_only_as_a_choice(expression: str, allowed: bool) -> None:
    assert Licence("x", expression, ()).is_allowed == allowed


def test_licences_are_read_from_each_kind_of_metadata() -> None:
    assert expression_of("numpy") == "BSD-3-Clause"  # a classifier
    assert expression_of("protobuf") == "BSD-3-Clause"  # a name in the field License
    assert expression_of("psutil") == "BSD-3-Clause"  # SPDX in the field License


def test_the_extras_that_need_a_package_are_found() -> None:
    needed = extras_by_package()
    assert "" in needed["sqlalchemy"]
    assert "" not in needed["fastapi"]
    assert {"api", "local"} <= needed["fastapi"]
    assert needed["pytest"] == {"dev"}
