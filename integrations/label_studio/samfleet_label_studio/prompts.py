"""Prompts that an annotator draws with smart tools of Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.errors import InvalidInput


class DrawnPromptInvalid(InvalidInput):
    """The drawn region cannot be a prompt; draw key points and at most one rectangle that is not rotated."""

    code = "label_studio_prompt_invalid"


@dataclass(frozen=True, slots=True)
class DrawnPrompt:
    """Points with labels (1 or 0) and boxes of one object, in pixels, and the label that it was drawn with."""

    points: list[tuple[float, float]]
    labels: list[int]
    boxes: list[tuple[float, float, float, float]]
    label: str | None


def drawn_prompt(context: Mapping[str, Any]) -> DrawnPrompt:
    """Return the prompt of an interactive request. Raises `DrawnPromptInvalid`."""
    found = DrawnPrompt([], [], [], None)
    label = None
    for region in context.get("result") or ():
        try:
            label = _add(region, found) or label
        except (KeyError, TypeError, ValueError) as error:
            raise DrawnPromptInvalid(f"the drawn region has no valid {error}") from error
    if not (1 in found.labels or found.boxes):
        raise DrawnPromptInvalid("the drawn regions have neither a positive key point nor a rectangle; draw one")
    if len(found.boxes) > 1:
        raise DrawnPromptInvalid(f"{len(found.boxes)} rectangles are drawn; one object has one rectangle")
    return DrawnPrompt(found.points, found.labels, found.boxes, label)


def _add(region: Mapping[str, Any], found: DrawnPrompt) -> str | None:
    """Add a region to the prompt, and return its label."""
    kind, value = region["type"], region["value"]
    across, down = float(region["original_width"]) / 100, float(region["original_height"]) / 100
    x, y = float(value["x"]) * across, float(value["y"]) * down
    if kind in {"keypoint", "keypointlabels"}:
        found.points.append((x, y))
        found.labels.append(int(bool(region.get("is_positive", True))))
    elif kind in {"rectangle", "rectanglelabels"}:
        if value.get("rotation"):
            raise DrawnPromptInvalid("the rectangle is rotated; draw one along the image's sides")
        found.boxes.append((x, y, x + float(value["width"]) * across, y + float(value["height"]) * down))
    else:
        raise DrawnPromptInvalid(f"a region of type {kind} cannot be a prompt; draw key points or a rectangle")
    labels = value.get(kind)
    return str(labels[0]) if isinstance(labels, list) and labels else None
