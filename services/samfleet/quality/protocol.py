"""Protocols and figures of evaluations, in the terms of COCO (pycocotools, cocoeval.py `Params`) and LVIS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Area = Literal["all", "small", "medium", "large"]
Metric = Literal[
    "miou",
    "ar",
    "ap",
    "ap50",
    "ap75",
    "ap_agnostic",
    "ap50_agnostic",
    "ap75_agnostic",
    "lvis_ap",
    "lvis_ap50",
    "lvis_ap75",
    "lvis_apr",
    "lvis_apc",
    "lvis_apf",
    "lvis_ar",
]

# Inclusive at both ends, as in COCOeval: an instance of exactly 1024 pixels is both small and medium.
AREAS: Mapping[Area, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True, slots=True)
class Protocol:
    """Settings of an evaluation.

    `limits`, ascending, are numbers of detections counted per image (and per category if `class_aware`), best scores
    first. `precision_limit` is the one of them at which precision is measured, which keeps 32 bytes of each counted
    detection until the end; None measures recall alone, with a few counters.
    """

    class_aware: bool
    limits: tuple[int, ...]
    precision_limit: int | None
    shapes: Literal["segm", "bbox"] = "segm"


CLASS_AGNOSTIC = Protocol(class_aware=False, limits=(1, 10, 100, 1000), precision_limit=None)
CATEGORY_FREE = Protocol(class_aware=False, limits=(1, 10, 100, 1000), precision_limit=100)  # for sets like UVO
CLASS_AWARE = Protocol(class_aware=True, limits=(1, 10, 100), precision_limit=100)
FEDERATED = Protocol(class_aware=True, limits=(300,), precision_limit=300)  # LVIS's Params.max_dets


@dataclass(frozen=True, slots=True)
class Truth:
    """One annotated instance; `shape` is its RLE, or its box (x, y, width, height)."""

    category_id: int
    area: float
    iscrowd: bool
    shape: Any


@dataclass(frozen=True, slots=True)
class Found:
    """One mask or box of a run; `area` is that of `shape`, in pixels."""

    category_id: int
    score: float
    area: float
    shape: Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure over `instances` annotated instances of size `area`, with `max_detections` per image.

    `lvis_apr`, `lvis_apc` and `lvis_apf` are over the instances of rare, common and frequent categories. `replicates`
    are the figure with resampled images (`samfleet.quality.resampling`); None if it was not resampled.
    """

    metric: Metric
    area: Area
    max_detections: int
    value: float
    instances: int
    replicates: tuple[float, ...] | None = None
