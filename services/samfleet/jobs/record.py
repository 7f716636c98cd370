"""Recording of a shard's results: one transaction that writes all its rows or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from samfleet.db.clock import now
from samfleet.db.copy import copy_rows
from samfleet.db.models import DatasetImage, ImageResult, Job, Outcome, Run, RunState, Shard, ShardState
from samfleet.db.session import after_commit
from samfleet.jobs.claim import ClaimedShard, LeaseLost
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.hardware import KnownHardware, remember_hardware
from samfleet.jobs.log import WORK_GOES_ON, add_failures, add_line, add_recorded_line
from samfleet.jobs.outcomes import ImageOutcome, mean_of
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.reuse import ReusedImage, count_reused, reused_row
from samfleet.jobs.settle import FAILURE_RATE_EXCEEDED, fail_run
from samfleet.jobs.stall import get_on
from samfleet.jobs.states import OPEN_SHARDS, lock_run, move_run
from samfleet.metrics import FIRST_IMAGES
from samfleet.rollups.store import add_shard
from samfleet.wire.stages import BACKEND_STAGES


def record(
    session: Session,
    queue: TaskQueue,
    claimed: ClaimedShard,
    outcomes: Sequence[ImageOutcome],
    *,
    part_key: str,
    part_bytes: int,
    store_ms: float,
    shards_in_flight: int,
    reused: Sequence[ReusedImage] = (),
) -> None:
    """Write one row per image, computed or `reused`, update the run's counters and advance the run.

    The rows of a retried shard replace those of its failed images; its other rows now refer to the new part. Raises
    `LeaseLost`, with nothing written, if the token is no longer the newest. `store_ms` is each image's share of the
    time to write the part.
    """
    locked = lock_run(session, claimed.run_id)
    failed = sum(outcome.outcome is Outcome.FAILED for outcome in outcomes)
    if locked is None or (closed := _close_shard(session, claimed, part_key, part_bytes, failed)) is None:
        raise LeaseLost(f"shard {claimed.index} of run {claimed.run_id} was taken over or cancelled")
    hardware = remember_hardware(session, (outcome.report.hardware for outcome in outcomes if outcome.report))
    (job, run), stored = locked, {"part_key": part_key, "store_ms": store_ms}
    _observe_first_images(session, job, run)
    replaced = _replace(session, job, claimed, part_key) if claimed.previous_part else {}
    lines = {**{image.dataset_image_id: place for place, image in enumerate(claimed.images)}, **replaced}
    rows = [{**_row(claimed, one, lines[one.image.dataset_image_id], hardware), **stored} for one in outcomes]
    copy_rows(session, ImageResult, rows)
    copy_rows(session, ImageResult, [reused_row(claimed, one, lines, part_key) for one in reused])
    _count(run, outcomes, reused, failed, replaced=len(replaced))
    run.part_bytes += part_bytes - closed.replaced_bytes
    run.parts += claimed.previous_part is None
    run.gates = {**run.gates, **_gates(outcomes, hardware)}
    _log(session, run, claimed, outcomes, len(reused), closed)
    get_on(run)
    session.flush()
    if not claimed.previous_part:  # else the rollups are rebuilt when the run ends
        add_shard(session, job, run, claimed.shard_id, rows)
    _advance_run(session, queue, job, run, shards_in_flight)


def _observe_first_images(session: Session, job: Job, run: Run) -> None:
    """If these are the run's first images, observe after the commit how long they took; those of a retry are not."""
    if not (run.succeeded + run.failed or run.retries):
        seconds = (now(session) - job.created_at).total_seconds()
        after_commit(session, partial(FIRST_IMAGES.labels(run.pool).observe, seconds))


def _count(
    run: Run, outcomes: Sequence[ImageOutcome], reused: Sequence[ReusedImage], failed: int, *, replaced: int
) -> None:
    """Add the outcomes to the run's counters; `replaced` failed rows no longer count."""
    run.succeeded += len(outcomes) - failed
    run.failed += failed - replaced
    run.masks += sum(len(outcome.masks) for outcome in outcomes)
    run.provenance = {**run.provenance, "checkpoint_sha256": _checkpoints(run, outcomes)}
    count_reused(run, reused)


class _Closed(NamedTuple):
    """Facts of a closed shard: the bytes of the part that was replaced, the worker, and seconds since its claim."""

    replaced_bytes: int
    worker: str
    seconds: float


def _log(
    session: Session, run: Run, claimed: ClaimedShard, outcomes: Sequence[ImageOutcome], reused: int, closed: _Closed
) -> None:
    if run.stalled_code is not None:
        add_line(session, run, WORK_GOES_ON, "images are recorded again", shard=claimed.index)
    images, masks = len(outcomes) + reused, sum(len(outcome.masks) for outcome in outcomes)
    worker, seconds = closed.worker, closed.seconds
    add_recorded_line(
        session, run, claimed.index, images=images, masks=masks, reused=reused, worker=worker, seconds=seconds
    )
    failed: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.error is not None:
            failed[outcome.error.code].append(outcome.image.file_name)
    add_failures(session, run, claimed.index, failed)


def _close_shard(
    session: Session, claimed: ClaimedShard, part_key: str, part_bytes: int, failed: int
) -> _Closed | None:
    """Refer to the new part; None if the token is too old."""
    replaced = session.scalars(select(Shard.part_bytes).where(Shard.id == claimed.shard_id)).one_or_none()
    closed = session.execute(
        update(Shard)
        .where(Shard.id == claimed.shard_id, Shard.token == claimed.token, Shard.state == ShardState.LEASED)
        .values(
            state=ShardState.DONE,
            part_key=part_key,
            part_bytes=part_bytes,
            failed=failed,
            finished_at=func.coalesce(Shard.finished_at, func.now()),  # of its first results, for the throughput
            lease_expires_at=None,
            progress=0,
        )
        .returning(Shard.worker, func.extract("epoch", func.now() - Shard.claimed_at))
    )
    row = closed.one_or_none()
    return None if row is None else _Closed(replaced or 0, row[0] or "a worker", float(row[1] or 0))


def _replace(session: Session, job: Job, claimed: ClaimedShard, part_key: str) -> Mapping[int, int]:
    """Delete the failed rows of a retried shard and point the others to the new part, whose lines have the same order.

    Returns the lines of the deleted rows by the id of the dataset's image. The rows are found by the shard's images:
    no index of results has the shard.
    """
    of_shard = ImageResult.run_id == claimed.run_id, ImageResult.shard_id == claimed.shard_id
    claimed_images = ImageResult.image_id.in_([image.image_id for image in claimed.images])
    failed = delete(ImageResult).where(*of_shard, claimed_images, ImageResult.outcome == Outcome.FAILED)
    places = failed.returning(ImageResult.dataset_image_id, ImageResult.part_line)
    lines = {row.dataset_image_id: row.part_line for row in session.execute(places)}
    bounds = select(Shard.first_position, Shard.last_position).where(Shard.id == claimed.shard_id)
    first, last = session.execute(bounds).one()
    images = select(DatasetImage.id).where(
        DatasetImage.dataset_id == job.dataset_id, DatasetImage.position.between(first, last)
    )
    kept = update(ImageResult).where(*of_shard, ImageResult.dataset_image_id.in_(images))
    session.execute(kept.values(part_key=part_key).execution_options(synchronize_session=False))
    return lines


def _advance_run(session: Session, queue: TaskQueue, job: Job, run: Run, shards_in_flight: int) -> None:
    if _exceeds_failure_rate(session, job, run):
        message = (
            f"{run.failed} of {run.total} images failed, more than the {job.max_failure_rate:.1%} that the job "
            "allows; the job's errors list has the reasons"
        )
        fail_run(session, job, run, FAILURE_RATE_EXCEEDED, message)
    elif run.succeeded + run.failed == run.total and not (run.retries and _has_shards_to_retry(session, run)):
        run.sent_at = func.now()
        move_run(session, run, RunState.FINISHING)
        wake_after_commit(session, queue, TaskName.FINISH, str(run.id), correlation=job.correlation_id)
    else:
        dispatch_run(session, queue, run.id, shards_in_flight)


def _exceeds_failure_rate(session: Session, job: Job, run: Run) -> bool:
    """Return True if too many images failed, without those that are computed again."""
    allowed = job.max_failure_rate * run.total
    if run.failed <= allowed or not run.retries:
        return run.failed > allowed
    again = session.scalar(select(func.coalesce(func.sum(Shard.failed), 0)).where(*_to_retry(run))) or 0
    return run.failed - again > allowed


def _has_shards_to_retry(session: Session, run: Run) -> bool:
    return bool(session.scalar(select(exists().where(*_to_retry(run)))))


def _to_retry(run: Run) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of a retried run's open shards that have results."""
    return Shard.run_id == run.id, Shard.state.in_(OPEN_SHARDS), Shard.part_key.is_not(None)


def _row(claimed: ClaimedShard, outcome: ImageOutcome, line: int, hardware: KnownHardware) -> dict[str, Any]:
    image, error, quality = outcome.image, outcome.error, outcome.quality
    return {
        "run_id": claimed.run_id,
        "dataset_image_id": image.dataset_image_id,
        "image_id": image.image_id,
        "shard_id": claimed.shard_id,
        "outcome": outcome.outcome,
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
        "error_stage": error.stage if error else None,
        "part_line": line,
        "mask_count": len(outcome.masks),
        "predicted_iou": mean_of([mask.predicted_iou for mask in outcome.masks]),
        "width": outcome.width,
        "height": outcome.height,
        "queue_shard_ms": claimed.queue_shard_ms,
        "queue_triton_ms": outcome.queue_triton_ms,
        "round_trip_ms": outcome.round_trip_ms,
        "fetch_ms": outcome.fetch_ms,
        "quality_instances": quality.instances if quality else None,
        "quality_iou_sum": quality.iou_sum if quality else None,
        **_measured(outcome, hardware),
    }


def _measured(outcome: ImageOutcome, hardware: KnownHardware) -> dict[str, Any]:
    report = outcome.report
    stages = report.stages if report else {}
    times: dict[str, float | None] = {}
    for name in BACKEND_STAGES:
        stage = stages.get(name)
        times[f"{name}_ms"] = stage.amortised_ms if stage else None
        times[f"{name}_batch_ms"] = stage.batch_ms if stage else None
    return {
        **times,
        "hardware_id": hardware.id_of(report.hardware) if report else None,
        "checkpoint_sha256": report.checkpoint_sha256 or None if report else None,
        "batch_size": report.batch_size if report else None,
        "clock": report.clock if report else None,
        "warmup": report.warmup if report else None,
        "peak_memory_bytes": report.peak_memory_bytes if report else None,
        "peak_reserved_bytes": report.peak_reserved_bytes if report else None,
        "energy_j": report.energy_j if report else None,
        "other_load": report.other_load if report else None,
    }


def _checkpoints(run: Run, outcomes: Sequence[ImageOutcome]) -> list[str]:
    """Return the hashes of the run's checkpoints; more than one if weights were changed during the run."""
    known = set(run.provenance.get("checkpoint_sha256", ()))
    return sorted(known | {outcome.report.checkpoint_sha256 for outcome in outcomes if outcome.report} - {""})


def _gates(outcomes: Sequence[ImageOutcome], hardware: KnownHardware) -> dict[str, Any]:
    """Return the stored form of the gates that admitted the outcomes' executions: the newest for each hardware."""
    reports = [outcome.report for outcome in outcomes if outcome.report]
    return {
        str(hardware.id_of(report.hardware)): {
            "execution": report.execution,
            "warmup_seconds": report.warmup_seconds,
            **report.gate,
        }
        for report in reports
        if report.gate is not None and report.hardware
    }
