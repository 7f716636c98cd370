"""Conversion of database rows to the API's models of runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Outcome, RunState
from samfleet.db.models import Run as RunRow
from samfleet.errors import Conflict, NotFound
from samfleet.jobs.export import RunNotFound
from samfleet.jobs.progress import Progress
from samfleet.reports.stages import StageStatistics
from samfleet.storage.jsonl import PartFileDamaged, read_jsonl_zst
from samfleet.storage.store import ObjectStore
from samfleet_api.hardware.schemas import HardwareName
from samfleet_api.runs import repository
from samfleet_api.runs.quality_schemas import Figure, Quality
from samfleet_api.runs.repository import RunFacts
from samfleet_api.runs.schemas import Counts, Gate, Provenance, Run, Stage, Stalled, failure_of


class ImageResultNotFound(NotFound):
    """This run has no result for this image."""

    code = "image_result_not_found"


class ImageNotSegmented(Conflict):
    """The image failed in this run, so it has no masks to render."""

    code = "image_not_segmented"


def is_recorded(run: RunRow) -> bool:
    """Return whether all results are recorded: no more will be added."""
    return run.state not in {RunState.QUEUED, RunState.RUNNING, RunState.PAUSED}


def view_run(
    run: RunRow,
    progress: Progress,
    facts: RunFacts,
    stages: Mapping[str, StageStatistics] | None = None,
    *,
    stalled: Stalled | None,
) -> Run:
    """Build the view of a run. Without `stages` the response omits that field."""
    quality = None
    if facts.instances:
        quality = Quality(miou=facts.iou_sum / facts.instances, instances=facts.instances)
    fields: dict[str, Any] = {}
    if stages is not None:
        fields["stages"] = {name: Stage.of(statistics) for name, statistics in stages.items()}
    return Run(
        id=run.id,
        job_id=run.job_id,
        variant=run.variant,
        pool=run.pool,
        state=run.state,
        counts=Counts.of(progress),
        images_reused=run.reused,
        masks=run.masks,
        images_per_second=progress.images_per_second,
        hardware=[HardwareName.model_validate(row) for row in facts.hardware],
        provenance=Provenance.model_validate(run.provenance),
        gates=[Gate(hardware_id=uuid.UUID(hardware), **gate) for hardware, gate in run.gates.items()],
        task=run.task,
        quality=quality,
        evaluation=[Figure.of(figure) for figure in facts.figures],
        quality_error=failure_of(run.quality_error_code, run.quality_error_message),
        error=failure_of(run.error_code, run.error_message),
        stalled=stalled,
        started_at=run.started_at,
        finished_at=run.finished_at,
        **fields,
    )


def require_run(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> RunRow:
    run = repository.find(session, tenant_id, run_id)
    if run is None:
        raise RunNotFound(f"run {run_id} does not exist; GET /v1/jobs/<id> names a job's runs")
    return run


def require_image(
    session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID, image_id: int
) -> tuple[ImageResult, DatasetImage]:
    run = require_run(session, tenant_id, run_id)
    found = repository.find_image(session, run.id, image_id)
    if found is None:
        raise ImageResultNotFound(
            f"run {run_id} has no result for image {image_id}; it is not in the dataset or not done yet"
        )
    return found


def require_segmented(result: ImageResult) -> None:
    if result.outcome is Outcome.FAILED:
        raise ImageNotSegmented(f"image {result.image_id} failed: {result.error_code}: {result.error_message}")


def read_masks(store: ObjectStore, result: ImageResult) -> Sequence[dict[str, Any]]:
    """Read an image's masks from its line of the part file."""
    rows = read_jsonl_zst(store, result.part_key)
    row = next(islice(rows, result.part_line, None), None)
    if row is None or row["image_id"] != result.image_id:
        raise PartFileDamaged(f"part {result.part_key!r} has no line {result.part_line} of image {result.image_id}")
    masks: list[dict[str, Any]] = row["masks"]
    return masks
