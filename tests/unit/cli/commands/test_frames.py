"""The options that choose frames."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from samfleet_api.datasets.frames import WithFrames
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
