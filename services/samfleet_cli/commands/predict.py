"""`samfleet predict`: masks of one image, without a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl

LABELS = {"0": 0, "1": 1}
BOX_NUMBERS = 4
POINT_NUMBERS = 2

ImagePath = Annotated[Path, typer.Argument(metavar="IMAGE", exists=True, dir_okay=False, help="The image file.")]
VariantName = Annotated[str, typer.Option(help="Name of a variant.", show_default=False)]
Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y,LABEL",
        help="A point of the object in pixels, with the label 1 (foreground, the default) or 0; may be repeated.",
        show_default=False,
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X0,Y0,X1,Y1",
        help="The box of an object in pixels; may be repeated, each for its own object.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="File to write: .json (the reply) or .png (the masks on the image).", show_default=False),
]
Pool = Annotated[str | None, typer.Option(help="Name of a pool. Default: the first.", show_default=False)]


def predict(
    image: ImagePath,
    variant: VariantName,
    point: Points = None,
    box: Boxes = None,
    out: Out = None,
    pool: Pool = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Segment one image now, and store nothing on the server.

    All points, and one box with them, prompt one object; several boxes without points are an object each. Without
    either, all masks of the image are found.
    """
    if out is not None and out.suffix.lower() not in {".json", ".png"}:
        raise typer.BadParameter(f"--out {out}: the name must end in .json or .png")
    objects = objects_of(point or (), box or ())
    from samfleet_cli.connection import choose_api, connect

    request = {"variant": variant, **({"objects": objects} if objects else {}), **({"pool": pool} if pool else {})}
    with connect(choose_api(api_url, api_key)) as client:
        reply = client.predict(image, request)
    if out is not None:
        _write(out, image, reply)
    typer.echo(_summary(reply))


def objects_of(points: Sequence[str], boxes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the objects of the options, in the form of a prompts file."""
    if not points:
        return [{"box": _numbers("--box", text, BOX_NUMBERS)} for text in boxes]
    if len(boxes) > 1:
        raise typer.BadParameter("--point belongs to one object, which has one --box; give the boxes alone, or one")
    parsed = [_point(text) for text in points]
    found: dict[str, Any] = {"points": [point for point, _ in parsed], "labels": [label for _, label in parsed]}
    if boxes:
        found["box"] = _numbers("--box", boxes[0], BOX_NUMBERS)
    return [found]


def _point(text: str) -> tuple[list[float], int]:
    parts = text.split(",")
    label = parts.pop().strip() if len(parts) == POINT_NUMBERS + 1 else "1"
    if label not in LABELS:
        raise typer.BadParameter(f"--point {text}: the label is 1 (foreground) or 0 (background)")
    return _numbers("--point", ",".join(parts), POINT_NUMBERS), LABELS[label]


def _numbers(option: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text}: give numbers, separated by commas") from error
    if len(numbers) != count:
        raise typer.BadParameter(f"{option} {text}: give {count} numbers, separated by commas")
    return numbers


def _write(out: Path, image: Path, reply: dict[str, Any]) -> None:
    from samfleet.files import replacing, write_json
    from samfleet.masks.overlay import render_overlay
    from samfleet.masks.record import MaskRecord

    if out.suffix.lower() == ".json":
        write_json(out, reply)
        return
    picture = render_overlay(image.read_bytes(), [MaskRecord.from_dict(mask) for mask in reply["masks"]])
    with replacing(out) as file:
        file.write(picture)


def _summary(reply: dict[str, Any]) -> str:
    masks, total = reply["masks"], sum(stage["ms"] for stage in reply["stages"].values())
    best = max((mask["predicted_iou"] for mask in masks), default=None)
    scored = "" if best is None else f", best predicted IoU {best:.3f}"
    return f"{len(masks)} masks of {reply['width']} x {reply['height']} pixels in {total:.1f} ms{scored}"
