from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from samfleet.client.images import picture_file
from samfleet.client.predicted import Prediction
from samfleet.client.steps import Call
from samfleet.client.values import without_none
from samfleet.errors import InvalidInput

if TYPE_CHECKING:
    from samfleet.client.images import Picture

PREDICT_SECONDS = 600  # the server's own limit is a minute by default (`SAMFLEET_PREDICT_TIMEOUT`)
POINT_NUMBERS = 2
BOX_NUMBERS = 4


def predict(
    image: Picture,
    variant: str,
    *,
    points: Sequence[Sequence[float]] | None = None,
    labels: Sequence[int] | None = None,
    boxes: Sequence[Sequence[float]] | None = None,
    objects: Sequence[Mapping[str, Any]] | None = None,
    task: Mapping[str, Any] | None = None,
    pool: str | None = None,
) -> Call[Prediction]:
    """Segment one image now and return its masks. The server stores nothing.

    `image` is a path, the bytes of a file, a Pillow image, or an array of uint8 [height, width(, channels)] in RGB.
    All `points` (x, y), with `labels` 1 (foreground, the default) or 0 and at most one box, prompt one object. `boxes`
    (x0, y0, x1, y1) without points prompt an object each. Coordinates are pixels of the upright image. `objects` are
    those of a prompts file instead. Without prompts all masks of the image are found, by `task`, which is that of a
    job. `pool` is by default the first.

    Raises `ImagesInvalid`, `InvalidInput` for the prompts, `ApiError` and `ApiUnreachable`.
    """
    name, data = picture_file(image)
    prompted = _objects(points, labels, boxes, objects)
    request = without_none({"variant": variant, "pool": pool, "task": task, "objects": prompted})
    sent = {"data": {"request": json.dumps(request)}, "files": {"image": ("image", data, "application/octet-stream")}}
    return Call("POST", "/v1/predict", partial(_prediction, name, data), {"timeout": PREDICT_SECONDS, **sent})


def _prediction(name: str, data: bytes, reply: Mapping[str, Any]) -> Prediction:
    return Prediction(
        file_name=name,
        variant=reply["variant"],
        width=reply["width"],
        height=reply["height"],
        records=reply["masks"],
        pool=reply["pool"],
        reply=reply,
        image=data,
    )


def _objects(
    points: Sequence[Sequence[float]] | None,
    labels: Sequence[int] | None,
    boxes: Sequence[Sequence[float]] | None,
    objects: Sequence[Mapping[str, Any]] | None,
) -> list[Mapping[str, Any]] | None:
    """Return the objects of the request, in the form of a prompts file. None without prompts."""
    if objects is not None:
        if points is not None or labels is not None or boxes is not None:
            raise InvalidInput("give the prompts as objects, or as points, labels and boxes, not both")
        return list(objects)
    if labels is not None and (points is None or len(labels) != len(points)):
        raise InvalidInput("labels belong to points: give one label for each point")
    rectangles = [_numbers("box", box, BOX_NUMBERS) for box in boxes] if boxes is not None else []
    if points is None:
        return [{"box": box} for box in rectangles] if boxes is not None else None
    if len(rectangles) > 1:
        raise InvalidInput("points belong to one object, which has one box; give the boxes alone, or as objects")
    found: dict[str, Any] = {"points": [_numbers("point", point, POINT_NUMBERS) for point in points]}
    if labels is not None:
        found["labels"] = [int(label) for label in labels]
    if rectangles:
        found["box"] = rectangles[0]
    return [found]


def _numbers(what: str, values: Any, count: int) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the {what} {values!r} is not a sequence of {count} numbers") from error
    if len(numbers) != count:
        raise InvalidInput(f"the {what} {values!r} has {len(numbers)} numbers; give {count}")
    return numbers
