"""`samfleet predict`: masks of one image, without a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson

if TYPE_CHECKING:
    from samfleet.client import Prediction

LABELS = {"0": 0, "1": 1}
POINT_NUMBERS = 2
SUFFIXES = (".json", ".png")

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
    list[Path] | None,
    typer.Option(
        help="File to write: .png (the masks on the image) or .json (COCO with RLE); may be repeated.",
        show_default=False,
    ),
]
Pool = Annotated[str | None, typer.Option(help="Name of a pool. Default: the first.", show_default=False)]


def predict(
    image: ImagePath,
    variant: VariantName,
    point: Points = None,
    box: Boxes = None,
    out: Out = None,
    pool: Pool = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Segment one image now, and store nothing on the server.

    All points, and one box with them, prompt one object; several boxes without points are an object each. Without
    either, all masks of the image are found.
    """
    for path in out or ():
        if path.suffix.lower() not in SUFFIXES:
            raise typer.BadParameter(f"--out {path}: the name must end in .json or .png")
    points = [_point(text) for text in point or ()]
    boxes = [_numbers("--box", text) for text in box] if box else None
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        prediction = client.predict(
            image,
            variant,
            points=[place for place, _ in points] or None,
            labels=[label for _, label in points] or None,
            boxes=boxes,
            pool=pool,
        )
    for path in out or ():
        _write(path, prediction)
    typer.echo(json.dumps(prediction.reply) if as_json else _summary(prediction))


def _point(text: str) -> tuple[list[float], int]:
    parts = text.split(",")
    label = parts.pop().strip() if len(parts) == POINT_NUMBERS + 1 else "1"
    if label not in LABELS:
        raise typer.BadParameter(f"--point {text}: the label is 1 (foreground) or 0 (background)")
    return _numbers("--point", ",".join(parts)), LABELS[label]


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text}: give numbers, separated by commas") from error


def _write(path: Path, prediction: Prediction) -> None:
    from samfleet.files import replacing

    pieces = [prediction.overlay] if path.suffix.lower() == ".png" else _coco(prediction)
    with replacing(path) as file:
        file.writelines(pieces)


def _coco(prediction: Prediction) -> Iterator[bytes]:
    """Return a complete COCO file of the one image, with the id 1."""
    from samfleet.jobs.coco_files import Instances, iter_instances

    copied = ("checkpoint_sha256", "code_licence", "weights_licence", "execution", "hardware")
    info = {name: prediction.reply[name] for name in copied}
    info |= {"description": f"Masks of {prediction.variant}, made by samfleet", "variant": prediction.variant}
    row = {
        "image_id": 1,
        "file_name": prediction.file_name,
        "width": prediction.width,
        "height": prediction.height,
        "masks": prediction.records,
    }
    return iter_instances(lambda: [row], Instances(info))


def _summary(prediction: Prediction) -> str:
    best = max((record["predicted_iou"] for record in prediction.records), default=None)
    scored = "" if best is None else f", best predicted IoU {best:.3f}"
    size = f"{prediction.width} x {prediction.height} pixels"
    return f"{len(prediction)} masks of {size} in {prediction.device_ms:.1f} ms{scored}"
