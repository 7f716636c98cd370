"""Typed responses of the REST API. Unknown fields of newer servers are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.datasets.coverage import Coverage
from samfleet.datasets.left_out import LeftOut

SHOWN_ID = 8  # characters, as in the dashboard; commands accept the first six or more


class Resource(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class DatasetError(Resource):
    code: str
    message: str


class Dataset(Resource):
    """A dataset. `listed` counts the files and folders that the server has looked at so far."""

    id: str
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    notes: str | None = None
    source: str
    state: str
    image_count: int
    listed: int = 0
    error: DatasetError | None = None
    annotation_count: int | None = None
    annotated_image_count: int | None = None
    unused_annotation_count: int | None = None
    box_annotation_count: int | None = None
    detection_count: int | None = None
    prompt_count: int | None = None
    frame: int | None = None
    frames: str | dict[str, int | float] | None = None
    left_out: tuple[LeftOut, ...] = ()
    version: int = 1
    series_id: str | None = None
    base_id: str | None = None
    changes: dict[str, int] | None = None

    @property
    def chosen_frames(self) -> dict[str, Any]:
        """Fields of the request that chose frames; none if files are taken as they are."""
        fields = {"frame": self.frame, "frames": self.frames}
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def coverage(self) -> Coverage | None:
        """Coverage of the images by annotations; None if the dataset has no annotations."""
        if self.annotation_count is None or self.annotated_image_count is None:
            return None
        return Coverage(
            self.image_count,
            self.annotated_image_count,
            self.annotation_count,
            self.unused_annotation_count or 0,
            self.box_annotation_count or 0,
        )


class AddedByHash(Resource):
    """Names of files to upload, and the numbers of those that the server had and of those that the dataset had."""

    missing: list[str]
    added: int
    present: int


class DatasetImage(Resource):
    """An image of a dataset. Width and height are None until a worker has read it."""

    position: int
    image_id: int
    file_name: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    external_id: str | None = None
    metadata: dict[str, Any] | None = None


class Counts(Resource):
    """Numbers of images. `in_progress`: finished by a worker, but not recorded yet."""

    total: int
    succeeded: int
    failed: int
    in_progress: int = 0


class Failure(Resource):
    code: str
    message: str


class Stalled(Resource):
    """Reason why a running job or run makes no progress."""

    code: str
    message: str
    since: datetime


class Hardware(Resource):
    id: str
    device_name: str
    device_kind: str
    precision: str = "fp32"
    compilation: str = "none"


class Gate(Resource):
    """Agreement of an execution's masks with those of fp32, measured when it was admitted."""

    hardware_id: str
    execution: str
    warmup_seconds: float | None = None
    images: int
    reference_masks: int
    candidate_masks: int
    agreeing_share: float
    paired_iou: float
    count_ratio: float
    boxes: int
    box_agreeing_share: float
    box_iou: float
    worst_image: str
    worst_share: float
    points_per_side: int
    measured_at: str


class Provenance(Resource):
    title: str = ""
    code_licence: str = ""
    weights_licence: str = ""
    repository: str = ""
    arxiv: str = ""
    checkpoint_sha256: tuple[str, ...] = ()


class StageTimes(Resource):
    """Statistics of a stage in milliseconds per image."""

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


class Quality(Resource):
    """Mean IoU over annotated instances; None if there were no instances."""

    miou: float | None
    instances: int


class Figure(Resource):
    """One metric of a run's evaluation (`docs/quality.md`)."""

    metric: str
    area: str
    max_detections: int
    value: float
    instances: int
    low: float | None = None
    high: float | None = None


class Run(Resource):
    id: str
    job_id: str
    variant: str
    pool: str
    state: str
    counts: Counts
    masks: int
    images_per_second: float | None = None
    hardware: tuple[Hardware, ...] = ()
    provenance: Provenance = Provenance()
    gates: tuple[Gate, ...] = ()
    task: dict[str, Any] = Field(default_factory=dict)
    quality: Quality | None = None
    evaluation: tuple[Figure, ...] = ()
    quality_error: Failure | None = None
    stages: dict[str, StageTimes] | None = None
    error: Failure | None = None
    stalled: Stalled | None = None


class Job(Resource):
    id: str
    parent_id: str | None = None
    name: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    notes: str | None = None
    keep_days: int | None = None
    expires_at: datetime | None = None
    state: str
    priority: int | None = None  # of an older server unknown
    dataset_id: str
    task: dict[str, Any]
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: Failure | None = None
    stalled: Stalled | None = None
    counts: Counts
    images_reused: int = 0
    exports: tuple[dict[str, Any], ...] = ()
    progress: float = 0.0
    images_per_second: float | None = None
    eta_seconds: float | None = None
    annotations: Coverage | None = None
    runs: tuple[Run, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Errors of all failed runs; the job's own `error` is the first of them."""
        failed = [(f"{run.variant} on pool {run.pool}: ", run.error) for run in self.runs if run.error]
        whole = [("", self.error)] if self.error else []
        return [f"{where}{error.message} ({error.code})" for where, error in failed or whole]

    @property
    def kept(self) -> str:
        """Description of the results that a job with failed runs has nevertheless."""
        whole = ", ".join(f"{run.variant} on pool {run.pool}" for run in self.runs if run.state == "completed")
        recorded = "results that failed runs recorded before are kept"
        return f"complete, with all results: {whole}; {recorded}" if whole else recorded

    @property
    def is_over(self) -> bool:
        return self.state in {"completed", "completed_with_errors", "failed", "cancelled"}


class ActedOn(Resource):
    """The effect of an action on one job; `state` is None for a job that is gone, `error` why nothing was done."""

    job_id: str
    name: str | None = None
    state: str | None = None
    exports: int = 0
    error: Failure | None = None
