from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from samfleet.db.models import JobState
from samfleet.jobs.sharing import DEFAULT_PRIORITY, HIGHEST_PRIORITY
from samfleet.reports.task_words import task_words
from samfleet_api.exports.requests import CreateExport
from samfleet_api.jobs.task_schemas import Task
from samfleet_api.runs.schemas import RUN_EXAMPLE, Counts, Failure, Run, Stalled
from samfleet_api.schemas import KeepDays, Labels, Name, Notes, RequestModel, StorableText

MOST_EXPORTS = 20  # of a job

Priority = Annotated[
    int,
    Field(
        ge=0,
        le=HIGHEST_PRIORITY,
        strict=True,
        description="0 to 9: each step doubles the job's share of the images that its tenant's turns compute.",
    ),
]


class SubmitJob(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "variants": ["mobile_sam"],
                    "task": {"kind": "everything", "points_per_side": 16},
                },
                {
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "variants": ["mobile_sam"],
                    "task": {"kind": "everything", "sampler": "object_aware", "boxes_from": "annotations"},
                },
                {
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "variants": ["mobile_sam"],
                    "pools": ["default"],
                    "task": {"kind": "prompts", "prompt": "box"},
                    "name": "boxes of val2017",
                    "labels": {"team": "shelves"},
                    "priority": 7,
                    "max_failure_rate": 0.05,
                },
                {
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "variants": ["mobile_sam"],
                    "task": {"kind": "everything"},
                    "exports": [{"format": "yolo", "options": {"min_area": 100}}],
                },
                {"rerun_of": RUN_EXAMPLE["job_id"], "variants": ["repvit_sam"]},
            ]
        }
    )

    rerun_of: uuid.UUID | None = Field(
        default=None,
        description="A job to run again, as a new job with this one as its parent: fields left out are those of it, "
        "and null clears its `name`, `labels`, `notes`, `keep_days` and `evaluate`.",
    )
    dataset_id: uuid.UUID | None = Field(default=None, description="Required without `rerun_of`.")
    variants: list[StorableText] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="One run per variant and pool. Required like the dataset.",
    )
    pools: list[StorableText] = Field(default=[], max_length=1000, description="Default: the first configured pool.")
    task: Task = Field(default=None, description="Required without `rerun_of`.")
    name: Name | None = None
    labels: Labels | None = Field(default={})
    notes: Notes | None = None
    priority: Priority = DEFAULT_PRIORITY
    max_failure_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        strict=True,
        description="The job fails if a larger share of the images of a run fails.",
    )
    evaluate: StrictBool | None = Field(
        default=None,
        strict=True,
        description="Evaluate each completed run against the dataset's annotations. Default: true if it has any.",
    )
    keep_days: KeepDays | None = None
    reuse_results: StrictBool = Field(
        default=False,
        strict=True,
        description="Take over the results of images whose bytes an earlier run of the same variant, weights, code, "
        "task and pool has segmented. Not for tasks with boxes or annotations of the dataset.",
    )
    exports: list[CreateExport] = Field(
        default=[], max_length=MOST_EXPORTS, description="Files to build of each run when it is completed."
    )

    @model_validator(mode="after")
    def check_complete(self) -> SubmitJob:
        missing = [name for name in ("dataset_id", "variants", "task") if getattr(self, name) is None]
        if missing and self.rerun_of is None:
            raise ValueError(f"{', '.join(missing)} required, unless rerun_of names a job to run again")
        return self


class JobExport(BaseModel):
    """An export that is built of each run when it is completed."""

    format: str
    options: dict[str, Any] = Field(description="All options, with their defaults.")
    keep_days: int | None


class AnnotationCoverage(BaseModel):
    """Coverage of the job's dataset by its annotations."""

    images: int
    annotated_images: int = Field(description="Images that the annotations name.")
    annotations: int = Field(description="Annotations of images of the dataset.")
    unused: int = Field(description="Annotations of other images.")
    boxes: int = Field(description="Annotations that are boxes without a mask.")


class Job(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": RUN_EXAMPLE["job_id"],
                    "parent_id": None,
                    "name": "boxes of val2017",
                    "labels": {"team": "shelves"},
                    "notes": "the run for the report of week 48",
                    "state": "completed_with_errors",
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "dataset_name": "val2017",
                    "task": RUN_EXAMPLE["task"],
                    "task_in_words": task_words(RUN_EXAMPLE["task"]),
                    "priority": 7,
                    "keep_days": 30,
                    "expires_at": "2026-12-22T12:00:25Z",
                    "evaluate": True,
                    "annotations": {
                        "images": 500,
                        "annotated_images": 495,
                        "annotations": 3819,
                        "unused": 32962,
                        "boxes": 0,
                    },
                    "created_at": "2026-11-22T11:59:59Z",
                    "started_at": "2026-11-22T12:00:00Z",
                    "finished_at": "2026-11-22T12:00:25Z",
                    "error": None,
                    "stalled": None,
                    "counts": RUN_EXAMPLE["counts"],
                    "reuse_results": False,
                    "exports": [],
                    "images_reused": 0,
                    "progress": 1.0,
                    "images_per_second": 21.4,
                    "eta_seconds": None,
                    "runs": [{name: value for name, value in RUN_EXAMPLE.items() if name != "stages"}],
                }
            ]
        }
    )

    id: uuid.UUID
    parent_id: uuid.UUID | None = Field(description="The job that this one runs again, while it exists.")
    name: str | None
    labels: dict[str, str]
    notes: str | None
    state: JobState
    dataset_id: uuid.UUID
    dataset_name: str | None
    task: dict[str, Any] = Field(description="As submitted.")
    task_in_words: str
    priority: int = Field(description="0 to 9; the default is 5.")
    keep_days: int | None = Field(description="As submitted; null for the server's default.")
    expires_at: datetime | None = Field(
        description="After this time it is deleted; null while it runs, or if it is kept forever."
    )
    evaluate: bool = Field(description="Whether completed runs are evaluated.")
    annotations: AnnotationCoverage | None = Field(
        description="Coverage of the dataset; null if it has no annotations."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None
    stalled: Stalled | None = Field(description="State of the run that has waited longest.")
    counts: Counts = Field(description="Images times runs.")
    reuse_results: bool = Field(description="As submitted.")
    exports: list[JobExport] = Field(description="As submitted; GET /v1/runs/<id>/exports lists those of a run.")
    images_reused: int = Field(description="Those of the succeeded images that were taken over from earlier runs.")
    progress: float = Field(ge=0, le=1)
    images_per_second: float | None = Field(description="Rate over the wall time since the first claim of any run.")
    eta_seconds: float | None = Field(description="Null while the rate is unknown and after the end.")
    runs: list[Run]
