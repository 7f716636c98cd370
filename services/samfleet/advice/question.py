"""Questions to the advice: a task, a hardware, constraints, and what to prefer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from samfleet.errors import InvalidInput

Task = Literal["everything", "detections", "box", "center_point"]
Prefer = Literal["quality", "speed", "cost", "memory"]
QualityName = Literal["miou", "ap", "ar"]
TimedStage = Literal["model", "image"]

# Figures of quality by task (docs/quality.md); the first is the one that the ranking uses.
QUALITIES: Mapping[Task, tuple[QualityName, ...]] = {
    "everything": ("ar", "miou"),
    "detections": ("ap", "miou"),
    "box": ("miou", "ap"),
    "center_point": ("miou", "ap"),
}


class AdviceInvalid(InvalidInput):
    """The constraints of the question are not valid or contradict the task."""

    code = "advice_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. A constraint that is None, empty or False is not set.

    `hardware` is `this`, `cpu`, `gpu`, a machine's id or name, or the name of a published hardware; None means every
    machine. `max_latency_ms` limits the median time of `stage`, in milliseconds an image. `min_images_per_hour` counts
    hours of device time. `max_cost_per_1000` is in `currency`. `min_miou`, `min_ap` and `min_ar` (1000 masks an image)
    are fractions. Raises `AdviceInvalid`.
    """

    task: Task = "everything"
    hardware: str | None = None
    dataset: str | None = None
    stage: TimedStage = "model"
    max_latency_ms: float | None = None
    min_images_per_hour: float | None = None
    max_cost_per_1000: float | None = None
    currency: str = "USD"
    max_memory_bytes: int | None = None
    min_miou: float | None = None
    min_ap: float | None = None
    min_ar: float | None = None
    exclude_licences: tuple[str, ...] = ()
    commercial: bool = False
    prefer: Prefer = "quality"

    def __post_init__(self) -> None:
        for name in ("max_latency_ms", "min_images_per_hour", "max_cost_per_1000", "max_memory_bytes"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise AdviceInvalid(f"{name} is {value:g}; it must be a number above 0")
        for quality, value in self.least_quality.items():
            if not 0 <= value <= 1:
                raise AdviceInvalid(f"min_{quality} is {value:g}; it is a fraction from 0 to 1, such as 0.74")
            if quality not in QUALITIES[self.task]:
                known = " and ".join(QUALITIES[self.task])
                raise AdviceInvalid(f"min_{quality} contradicts task {self.task}, which is measured by {known}")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise AdviceInvalid(f"currency {self.currency!r} is not three capital letters of ISO 4217, such as USD")

    @property
    def least_quality(self) -> dict[QualityName, float]:
        """Lower bounds of quality that are set, by figure."""
        bounds: dict[QualityName, float | None] = {"miou": self.min_miou, "ap": self.min_ap, "ar": self.min_ar}
        return {name: value for name, value in bounds.items() if value is not None}

    @property
    def quality(self) -> QualityName:
        """Figure by which quality is ranked: the first constrained one, or the usual one of the task."""
        return next(iter(self.least_quality), QUALITIES[self.task][0])

    @property
    def objective(self) -> str:
        """Name of the figure that is preferred."""
        others = {"speed": "latency", "cost": "cost", "memory": "memory"}
        return others.get(self.prefer, self.quality)


def task_of(parameters: Any) -> Task | None:
    """Return the task of a run's parameters, which may come from another site; None if advice does not cover it.

    Boxes from annotations reveal the objects, so SegEvery with them is not `everything`.
    """
    if not isinstance(parameters, Mapping):
        return None
    if parameters.get("kind") == "prompts":
        prompts: dict[Any, Task] = {"box": "box", "center_point": "center_point"}
        return prompts.get(str(parameters.get("prompt")))
    if parameters.get("kind") != "everything":
        return None
    boxes: dict[Any, Task | None] = {"annotations": None, "detections": "detections"}
    return boxes.get(str(parameters.get("boxes_from")), "everything")
