from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from samfleet.client.create_dataset import PromptedSource
from samfleet.client.server_sources import BucketSource, ManifestSource, ServerSource, server_source
from samfleet.datasets.prompt_formats.convert import FORMATS
from samfleet.datasets.prompt_formats.foreign import LabelsUnreadable
from samfleet_cli import main
from samfleet_cli.commands import segment as segment_command
from samfleet_cli.commands.prompts import LabelFormat, app, with_prompts
from samfleet_cli.jobs.segment import Segmentation


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
    bucket, local = BucketSource("s3://photos/2026"), ManifestSource("shelves.csv")
    assert with_prompts(bucket, None, None) is bucket
    assert with_prompts(bucket, "s3://photos/prompts.jsonl", None) == BucketSource(
        "s3://photos/2026", {"prompts_path": "s3://photos/prompts.jsonl"}
    )
    assert with_prompts(bucket, "s3://photos/labels.zip", LabelFormat.VOC) == BucketSource(
        "s3://photos/2026", {"prompts_path": "s3://photos/labels.zip", "prompts_format": "voc"}
    )
    assert with_prompts(local, str(folder), LabelFormat.YOLO) == PromptedSource(local, folder, "yolo")
    for source, place, form in (
        (bucket, None, LabelFormat.CSV),
        (bucket, str(folder / "none.jsonl"), None),
        (bucket, str(folder), None),
        (local, "s3://photos/prompts.jsonl", None),
    ):
        with pytest.raises(typer.BadParameter):
            with_prompts(source, place, form)


def _listed(place: str) -> ServerSource:
    source = server_source(place, described={"name": None})
    assert source is not None
    return source


@pytest.mark.parametrize(("place", "prompts"), [("s3://photos/2026", "prompts.jsonl"), ("list.csv", "labels")])
def test_segment_takes_prompts_with_images_that_the_server_lists(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, prompts: str
) -> None:
    monkeypatch.chdir(folder)
    for name in ("prompts.jsonl", "list.csv"):
        Path(name).touch()
    Path("labels").mkdir()
    wanted: list[Segmentation] = []
    monkeypatch.setattr(segment_command, "_carry_out", lambda _url, _key, asked, **_options: wanted.append(asked))
    options = ["--variant", "m", "--task", "file", "--prompts", prompts, "--out", "out"]
    result = CliRunner().invoke(main.app, ["segment", place, *options, "--prompts-format", "yolo"])
    assert (result.exit_code, result.output) == (0, "")
    source = wanted[0].source
    assert isinstance(source, PromptedSource)
    assert source == PromptedSource(_listed(place), Path(prompts), "yolo")
    alone = ["segment", place, "--variant", "m", "--task", "file", "--out", "out"]
    found = CliRunner().invoke(main.app, alone)
    assert (found.exit_code, len(wanted)) == ((0, 2) if place == "list.csv" else (2, 1))  # its lines may have prompts
    refused = CliRunner().invoke(main.app, ["segment", place, *options, "--upload"])
    assert (refused.exit_code, "--upload needs a folder" in refused.output) == (2, True)
