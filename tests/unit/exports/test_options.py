from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions
from samfleet_api.exports.requests import Options


def test_requests_have_the_options_of_the_formats_with_their_defaults() -> None:
    assert Options().model_dump() == asdict(ExportOptions())


def test_formats_are_found_by_their_names() -> None:
    assert {name: form.name for name, form in FORMATS.items()} == {name: name for name in FORMATS}
    assert {"coco", "instances", "jsonl"} <= set(FORMATS)
    assert not [form.name for form in FORMATS.values() if form.extension.startswith(".")]


def test_the_documentation_lists_every_format() -> None:
    page = (Path(__file__).parents[3] / "docs" / "export-formats.md").read_text()
    table = page.partition("| name | file | masks |")[2].partition("\n\n")[0]
    assert {line.split("`")[1] for line in table.splitlines()[2:]} == set(FORMATS)
