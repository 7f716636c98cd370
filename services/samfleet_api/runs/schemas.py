from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import RunState
from samfleet.jobs.progress import Progress
from samfleet.reports.stages import StageStatistics
from samfleet_api.hardware.schemas import HardwareName
from samfleet_api.runs.quality_schemas import Figure, Quality

RUN_EXAMPLE: dict[str, Any] = {
    "id": "c2b0b3a4-8f52-4d1c-9a1c-52b2b6e3f7aa",
    "job_id": "7f4f3b52-50a9-4f56-8c55-6d1a4f7f2c10",
    "variant": "mobile_sam",
    "pool": "default",
    "state": "completed",
    "counts": {"total": 500, "succeeded": 499, "failed": 1, "in_progress": 0},
    "images_reused": 0,
    "masks": 3810,
    "images_per_second": 21.4,
    "hardware": [
        {
            "id": "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0",
            "device_name": "NVIDIA L4",
            "device_kind": "cuda",
            "precision": "bf16",
            "compilation": "none",
        }
    ],
    "provenance": {
        "title": "MobileSAM",
        "code_licence": "Apache-2.0",
        "weights_licence": "Apache-2.0",
        "repository": "https://github.com/ChaoningZhang/MobileSAM",
        "arxiv": "2306.14289",
        "checkpoint_sha256": ["6dbb90523a35330f"],
    },
    "gates": [
        {
            "hardware_id": "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0",
            "execution": "bf16",
            "warmup_seconds": None,
            "images": 5,
            "reference_masks": 158,
            "candidate_masks": 160,
            "agreeing_share": 0.9625,
            "paired_iou": 0.993,
            "count_ratio": 1.0127,
            "boxes": 108,
            "box_agreeing_share": 1.0,
            "box_iou": 0.9965,
            "worst_image": "coffee.png",
            "worst_share": 0.9429,
            "points_per_side": 32,
            "measured_at": "2026-11-22T09:30:00+00:00",
        }
    ],
    "task": {"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": False},
    "quality": {"miou": 0.741, "instances": 3810},
    "evaluation": [
        {
            "metric": "ap",
            "area": "all",
            "max_detections": 100,
            "value": 0.391,
            "instances": 3810,
            "low": 0.382,
            "high": 0.4,
        }
    ],
    "quality_error": None,
    "stages": {"encode": {"n": 499, "mean_ms": 7.9, "p50_ms": 7.8, "p90_ms": 8.3, "p95_ms": 8.6, "p99_ms": 9.4}},
    "error": None,
    "stalled": None,
    "started_at": "2026-11-22T12:00:00Z",
    "finished_at": "2026-11-22T12:00:25Z",
}


class Counts(BaseModel):
    """Numbers of images. `in_progress`: finished by a worker, but not recorded yet."""

    total: int
    succeeded: int
    failed: int
    in_progress: int

    @classmethod
    def of(cls, progress: Progress) -> Counts:
        return cls(
            total=progress.total,
            succeeded=progress.succeeded,
            failed=progress.failed,
            in_progress=progress.in_progress,
        )


class Failure(BaseModel):
    """Reason why a job or run failed."""

    code: str
    message: str


class Stalled(BaseModel):
    """Reason why a running job or run makes no progress. It continues by itself when the cause is gone."""

    code: str
    message: str
    since: datetime = Field(description="Time since which nothing was recorded.")


class Provenance(BaseModel):
    """Model that produced the results, as described when the job was submitted."""

    title: str = ""
    code_licence: str = ""
    weights_licence: str = ""
    repository: str = ""
    arxiv: str = ""
    checkpoint_sha256: list[str] = Field(
        default_factory=list, description="SHA-256 of the weights that produced results."
    )


class Gate(BaseModel):
    """Agreement of an execution's masks with those of fp32, measured when it was admitted on this hardware."""

    hardware_id: uuid.UUID
    execution: str = Field(description="Precision and compilation, such as `bf16` or `fp16+compile`.")
    warmup_seconds: float | None = Field(description="Duration of compilation when the variant was loaded.")
    images: int
    reference_masks: int = Field(description="Number of masks of fp32.")
    candidate_masks: int
    agreeing_share: float = Field(description="Share of the larger side's masks with a partner at IoU 0.9 or more.")
    paired_iou: float = Field(description="Mean IoU of pairs with IoU 0.5 or more.")
    count_ratio: float
    boxes: int = Field(description="Number of box prompts: the boxes of fp32's masks, once each.")
    box_agreeing_share: float
    box_iou: float
    worst_image: str
    worst_share: float
    points_per_side: int
    measured_at: datetime


class Stage(BaseModel):
    """Milliseconds per image over `n` images. For work done per batch, an image has its share.

    Percentiles are exact up to 5,000 succeeded images of the run; of more they differ by at most 1 %. Counts and means
    are always exact.
    """

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, statistics: StageStatistics) -> Stage:
        return cls(**asdict(statistics))


class Run(BaseModel):
    """One variant on one pool inside a job."""

    model_config = ConfigDict(json_schema_extra={"examples": [RUN_EXAMPLE]})

    id: uuid.UUID
    job_id: uuid.UUID
    variant: str
    pool: str
    state: RunState
    counts: Counts
    images_reused: int = Field(description="Those of the succeeded images that were taken over from earlier runs.")
    masks: int
    images_per_second: float | None = Field(
        description="Recorded and in-progress images over the wall time since the first claim; null before the first."
    )
    hardware: list[HardwareName] = Field(
        description="Hardware of the run. Inside a job it is empty until all images of the run are recorded."
    )
    provenance: Provenance
    gates: list[Gate] = Field(description="One for each hardware on which an execution other than plain fp32 served.")
    task: dict[str, Any] = Field(description="Task with the variant's defaults filled in.")
    quality: Quality | None = Field(
        description="Null without annotations, and inside a job until all images are recorded."
    )
    evaluation: list[Figure] = Field(
        description="Metrics of a completed run in a job with evaluation (docs/quality.md)."
    )
    quality_error: Failure | None = Field(description="Reason for missing metrics; the results are complete.")
    stages: dict[str, Stage] = Field(
        default_factory=dict, description="Time per stage, without warm-up; only when the run itself is read."
    )
    error: Failure | None
    stalled: Stalled | None = Field(description="Cause of a wait; null while images are recorded and after the end.")
    started_at: datetime | None
    finished_at: datetime | None


def failure_of(code: str | None, message: str | None) -> Failure | None:
    return Failure(code=code, message=message or "") if code else None
