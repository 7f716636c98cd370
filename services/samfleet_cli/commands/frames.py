"""Options `--frame` and `--frames`: which frames of files become images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

STEPS: Mapping[str, tuple[str, Callable[[str], float]]] = {  # by the word of the option, the API's field
    "every": ("every", int),
    "count": ("count", int),
    "seconds": ("every_seconds", float),
    "most": ("most", int),
    "start": ("start", float),
    "end": ("end", float),
}
FORM = "all, every=N, count=N or seconds=S, such as every=10 or seconds=2,start=60,end=90,most=100"

Frame = Annotated[
    int | None,
    typer.Option(
        min=0, help="Take frame or page N, from 0, of each file that may have several.", metavar="N", show_default=False
    ),
]
FrameParts = Annotated[
    str | None,
    typer.Option(
        "--frames",
        help="Make images of the frames of videos, animations and TIFFs: all, every=N, count=N, or for videos "
        "seconds=S; further parts behind commas: most=N, and for videos start=S and end=S.",
        metavar="WHICH",
        show_default=False,
    ),
]


def frames_of(frame: int | None, frames: str | None) -> dict[str, Any]:
    """Return the fields of a request for the two options; none if files are taken as they are."""
    if frames is None:
        return {} if frame is None else {"frame": frame}
    if frame is not None:
        raise typer.BadParameter("give --frame, the number of one, or --frames")
    if frames == "all":
        return {"frames": "all"}
    chosen: dict[str, float] = {}
    for part in frames.split(","):
        word, _, value = part.strip().partition("=")
        if word not in STEPS:
            raise typer.BadParameter(f"--frames: {part!r} is not one of its parts; give {FORM}")
        field, parse = STEPS[word]
        if field in chosen:
            raise typer.BadParameter(f"--frames: {word} is given twice")
        try:
            chosen[field] = parse(value)
        except ValueError:
            raise typer.BadParameter(f"--frames: {part!r} needs a number; give {FORM}") from None
    if sum(step in chosen for step in ("every", "count", "every_seconds")) != 1:
        raise typer.BadParameter(f"--frames: {frames!r} has not one of every, count and seconds; give {FORM}")
    return {"frames": chosen}
