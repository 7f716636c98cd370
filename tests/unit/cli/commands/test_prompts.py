from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from samfleet.datasets.prompt_formats.convert import FORMATS
from samfleet.datasets.prompt_formats.foreign import LabelsUnreadable
from samfleet_cli.commands.prompts import LabelFormat, app, local_prompts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"image")
    return tmp_path


def arguments(folder: Path) -> list[str]:
    out = ["--out", str(folder / "prompts.jsonl")]
    return ["convert", "csv", str(folder / "boxes.csv"), "--images", str(folder / "images"), *out]


def test_labels_become_a_prompts_file(folder: Path) -> None:
    (folder / "boxes.csv").write_text("path,x,y,width,height\n/home/me/a.jpg,1,2,3,4\n")
    result = CliRunner().invoke(app, arguments(folder), catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 prompts of 1 images" in result.output
    line = '{"file_name": "a.jpg", "coordinates": "pixels", "objects": [{"id": 1, "box": [1.0, 2.0, 4.0, 6.0]}]}\n'
    assert (folder / "prompts.jsonl").read_text() == line


def test_a_failed_conversion_keeps_the_former_file(folder: Path) -> None:
    (folder / "prompts.jsonl").write_text("former")
    (folder / "boxes.csv").write_text("path,x,y,width,height\na.jpg,1,2,3,\n")
    with pytest.raises(LabelsUnreadable):
        CliRunner().invoke(app, arguments(folder), catch_exceptions=False)
    assert (folder / "prompts.jsonl").read_text() == "former"
    assert sorted(path.name for path in folder.iterdir()) == ["boxes.csv", "images", "prompts.jsonl"]


def test_the_command_offers_every_format() -> None:
    assert [form.value for form in LabelFormat] == list(FORMATS)


def test_prompts_are_local_or_read_by_the_server(folder: Path) -> None:
    bucket, local = ["s3://photos/2026"], ["shelves.csv"]
    assert local_prompts(None, None, bucket) is None
    assert local_prompts("s3://photos/prompts.jsonl", None, bucket) is None
    assert local_prompts(str(folder), LabelFormat.YOLO, local) == folder
    for place, form, sources in (
        (None, LabelFormat.CSV, bucket),
        (str(folder / "none.jsonl"), None, bucket),
        ("s3://photos/prompts.jsonl", None, local),
        ("s3://photos/labels.csv", LabelFormat.CSV, bucket),
    ):
        with pytest.raises(typer.BadParameter):
            local_prompts(place, form, sources)
