"""The options that choose frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from samfleet.client.server_sources import BucketSource
from samfleet_api.datasets.frames import WithFrames
from samfleet_cli import main
from samfleet_cli.commands import segment
from samfleet_cli.commands.frames import frames_of


@pytest.mark.parametrize(
    ("frame", "frames", "fields"),
    [
        (None, None, {}),
        (0, None, {"frame": 0}),
        (None, "all", {"frames": "all"}),
        (None, "every=10", {"frames": {"every": 10}}),
        (None, "count=5, most=3", {"frames": {"count": 5, "most": 3}}),
        (None, "seconds=2", {"frames": {"every_seconds": 2.0}}),
        (None, "seconds=0.5,start=60,end=90", {"frames": {"every_seconds": 0.5, "start": 60.0, "end": 90.0}}),
    ],
)
def test_options_are_fields_of_the_request(frame: int | None, frames: str | None, fields: dict[str, Any]) -> None:
    assert frames_of(frame, frames) == fields
    WithFrames.model_validate(fields, strict=True)


@pytest.mark.parametrize(
    ("frames", "named"),
    [
        ("some", "'some'"),
        ("", "''"),
        ("all,most=3", "'all'"),
        ("every", "'every'"),
        ("every=2.5", "'every=2.5'"),
        ("every=2,every=3", "twice"),
        ("most=3", "not one of every"),
        ("every=2,seconds=1", "not one of every"),
    ],
)
def test_other_texts_are_refused_with_the_form(frames: str, named: str) -> None:
    with pytest.raises(typer.BadParameter, match=named):
        frames_of(None, frames)
    with pytest.raises(typer.BadParameter, match="--frame, the number"):
        frames_of(3, frames)


def test_segment_makes_images_of_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "film.mp4").write_bytes(b"123")
    wanted: list[Any] = []
    monkeypatch.setattr(segment, "_carry_out", lambda _url, _key, asked, **_options: wanted.append(asked.source))
    for place in (str(tmp_path / "film.mp4"), "s3://bucket/films"):
        words = ["segment", place, "--frames", "seconds=2", "--variant", "mobile_sam", "--out", str(tmp_path / "out")]
        CliRunner().invoke(main.app, words, catch_exceptions=False)
    local, bucket = wanted
    assert [file.name for file in local.files().images()] == ["film.mp4"]
    assert local.frames == {"frames": {"every_seconds": 2.0}}
    assert isinstance(bucket, BucketSource)
    assert bucket.fields["frames"] == {"every_seconds": 2.0}
