"""Hints on figures that were not measured: published ones, counted operations, and measurements on other machines.

A hint never meets a constraint. It shows what to measure next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from samfleet.advice.question import Task
from samfleet.variants.complexity import Complexity, complexities
from samfleet.variants.survey_figures import (
    BOX,
    CENTER_POINT,
    GRID_32,
    JETSON_NANO,
    OWN_METHOD,
    RTX_2080_TI,
    RTX_3090,
    SOURCE,
    VITDET,
    XEON_6330,
    Condition,
    survey_figure,
)

TIMES: Mapping[Task, tuple[Condition, ...]] = {
    "everything": (GRID_32, OWN_METHOD),
    "detections": (),
    "box": (RTX_3090, RTX_2080_TI, XEON_6330, JETSON_NANO),
    "center_point": (),
}
QUALITIES: Mapping[Task, tuple[str, Condition] | None] = {
    "everything": None,  # no AR of whole images was published
    "detections": ("ap", VITDET),
    "box": ("miou", BOX),
    "center_point": ("miou", CENTER_POINT),
}
FP32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Hint:
    """A figure that is no evidence for the question's hardware. `measure` names the figure, such as `latency` or
    `flops`; `source` says where it is from and under which condition.
    """

    measure: str
    value: float
    unit: str
    source: str


def published_quality(task: Task, variant: str) -> Hint | None:
    """Return the survey's mIoU or AP as a fraction."""
    found = QUALITIES[task]
    if found is None:
        return None
    measure, condition = found
    percent = survey_figure(condition, variant)
    if percent is None:
        return None
    return Hint(measure, percent / 100, "", f"{condition.on}, {condition.label}, {SOURCE} table {condition.table}")


def published_time(condition: Condition, variant: str) -> Hint | None:
    """Return the survey's milliseconds an image."""
    value = survey_figure(condition, variant)
    if value is None:
        return None
    label = condition.on if condition.on == condition.label else f"{condition.on}, {condition.label}"
    return Hint("latency", value, "ms", f"{label}, {SOURCE} table {condition.table}")


def flops_of(task: Task, variant: str) -> float | None:
    """Return the counted operations of the task: an image with one prompt, or with the grid of 32 x 32 points."""
    counted = complexities().get(variant)
    if counted is None:
        return None
    if task in {"box", "center_point", "detections"}:
        return counted.box_flops
    return counted.grid_scored_flops or counted.encoder_flops


def weights_bytes(variant: str) -> float | None:
    """Return the bytes of the parameters in fp32, a lower bound of the memory."""
    counted = complexities().get(variant)
    return counted.parameters * FP32_BYTES if counted else None


def hints_of(task: Task, variant: str) -> tuple[Hint, ...]:
    """Return all published and counted figures of the variant for the task."""
    times = (published_time(condition, variant) for condition in TIMES[task])
    return tuple(one for one in (published_quality(task, variant), *times, *_counted(task, variant)) if one)


def _counted(task: Task, variant: str) -> tuple[Hint, ...]:
    counted: Complexity | None = complexities().get(variant)
    if counted is None:
        return ()
    flops, weights = flops_of(task, variant), weights_bytes(variant)
    words = "32 x 32 points" if task == "everything" else "one box"
    found = [Hint("flops", flops, "FLOPs", f"counted by samfleet, {words}")] if flops else []
    return (
        *found,
        *([Hint("weights", weights, "bytes", "parameters in fp32, less than the memory")] if weights else []),
    )
