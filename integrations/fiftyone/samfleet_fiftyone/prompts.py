"""Prompts in a field of a sample: boxes of detections, or key points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone
import numpy as np
from numpy.typing import NDArray

from samfleet.errors import InvalidInput


class PromptFieldInvalid(InvalidInput):
    """The prompt field has neither detections nor key points; name a field that has."""

    code = "prompt_field_invalid"


@dataclass(frozen=True, slots=True)
class Prompted:
    """Objects in the form of a prompts file, with their position as `id`, and the label of each; None without one."""

    objects: list[dict[str, Any]]
    labels: list[str | None]


def prompts_of(sample: Any, field: str, image: NDArray[np.uint8]) -> Prompted:
    """Return the prompts of a sample, in pixels of the image; none if the field is empty.

    Boxes are cut at the sides of the image, because detectors exceed them; those without area are left out, and so are
    key points that are not visible (NaN). Raises `PromptFieldInvalid`.
    """
    found = sample[field]
    size = np.array([image.shape[1], image.shape[0]])
    if found is None:
        return Prompted([], [])
    prompts: list[tuple[Any, dict[str, Any]]]
    if isinstance(found, fiftyone.Detections):
        boxes = ((one, _box(one.bounding_box, size)) for one in found.detections)
        prompts = [(one, {"box": box}) for one, box in boxes if box[0] < box[2] and box[1] < box[3]]
    elif isinstance(found, fiftyone.Keypoints):
        visible = ((one, _points(one.points, size)) for one in found.keypoints)
        prompts = [(one, {"points": points}) for one, points in visible if points]
    else:
        raise PromptFieldInvalid(f"{field} has {type(found).__name__}; name a field with detections or key points")
    objects = [{"id": number, **prompt} for number, (_one, prompt) in enumerate(prompts)]
    return Prompted(objects, [one.label for one, _prompt in prompts])


def _box(relative: Any, size: NDArray[np.int64]) -> list[float]:
    corner, extent = np.array(relative[:2], float), np.array(relative[2:], float)
    sides: list[float] = np.concatenate([np.clip(corner, 0, 1) * size, np.clip(corner + extent, 0, 1) * size]).tolist()
    return sides


def _points(relative: Any, size: NDArray[np.int64]) -> list[list[float]]:
    points = np.array(relative, float).reshape(-1, 2)
    shown: list[list[float]] = (points[~np.isnan(points).any(axis=1)] * size).tolist()
    return shown
