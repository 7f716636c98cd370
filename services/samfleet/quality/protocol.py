"""What is measured of a run, in the terms of COCO's evaluation (pycocotools, cocoeval.py `Params`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Area = Literal["all", "small", "medium", "large"]
Metric = Literal["miou", "ar", "ap", "ap50", "ap75"]

# Inclusive at both ends, as COCOeval compares: an instance of exactly 1024 pixels is small and medium.
AREAS: Mapping[Area, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True, slots=True)
class Protocol:
    """`limits` are the detections counted per image (and category where `class_aware`), best scores first, ascending.

    `with_precision` keeps 32 bytes for every detection until the end; recall alone needs a few counters.
    """

    class_aware: bool
    limits: tuple[int, ...]
    with_precision: bool
    shapes: Literal["segm", "bbox"] = "segm"


CLASS_AGNOSTIC = Protocol(class_aware=False, limits=(1, 10, 100, 1000), with_precision=False)
CLASS_AWARE = Protocol(class_aware=True, limits=(1, 10, 100), with_precision=True)


@dataclass(frozen=True, slots=True)
class Truth:
    """One annotated instance; `shape` is its run-length code, or its box (x, y, width, height)."""

    category_id: int
    area: float
    iscrowd: bool
    shape: Any


@dataclass(frozen=True, slots=True)
class Found:
    """One mask, or box, of a run; `area` is that of the shape itself, in pixels."""

    category_id: int
    score: float
    area: float
    shape: Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: `instances` of that `area` were asked for, `max_detections` per image were looked at."""

    metric: Metric
    area: Area
    max_detections: int
    value: float
    instances: int
