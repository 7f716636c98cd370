from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.service import DatasetNotFound, DatasetNotSealed, require_listed
from samfleet.db.models import Dataset, DatasetState, Job, JobState, Run, RunState
from samfleet.errors import TooManyRequests
from samfleet.jobs.job_request import (
    AnnotationsMissing,
    DetectionsMissing,
    IdempotencyConflict,
    JobInvalid,
    JobRequest,
    PoolNotFound,
    PromptsMissing,
    ReuseNotPossible,
)
from samfleet.jobs.prompt_budget import DEFAULT_LIMITS, PromptLimits, check_budget, check_prompts
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.quotas import UNLIMITED, Quotas, require_place
from samfleet.jobs.reuse import model_sha256
from samfleet.jobs.states import add_event
from samfleet.jobs.task import JobTask, PromptsJobTask, PromptSource, parse_job_task
from samfleet.jobs.weights import require_weights
from samfleet.labels import check_labels
from samfleet.logging import correlation_id
from samfleet.quality.measures import require_masks
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.version import code_version


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A request that passed all checks but those of quotas, with what it names."""

    request: JobRequest
    task: JobTask
    records: Sequence[VariantRecord]
    pools: Sequence[str]
    dataset: Dataset


def submit_job(
    session: Session,
    queue: TaskQueue,
    request: JobRequest,
    known_pools: Sequence[str],
    accepted_licences: Collection[str] = (),
    limits: PromptLimits = DEFAULT_LIMITS,
    weights_dir: Path | None = None,
    quotas: Quotas = UNLIMITED,
) -> tuple[Job, bool]:
    """Write the job and its runs, and wake a planner after the commit.

    Returns the job, and True if it is new. A repeated idempotency key returns the job of the first request, also if
    the tenant may open no further one; `quotas` are those of tenants without their own.
    """
    task = parse_job_task(request.task)
    digest = request.sha256(task)
    if (known := _find(session, request)) is not None:
        return _same(known, digest), False
    checked = check_job(session, request, known_pools, accepted_licences, limits, weights_dir)
    records, pools, dataset = checked.records, checked.pools, checked.dataset
    images = dataset.image_count * len(records) * len(pools)
    job = _insert_job(session, request, task, digest, dataset) if _has_place(session, request, images, quotas) else None
    if job is None:  # another request with the same key committed meanwhile
        return _same(_found(session, request), digest), False
    add_event(session, job.id, JobState.QUEUED)
    for record, pool in product(records, pools):
        _add_run(session, job, record, pool, task, dataset.image_count)
    session.flush()
    wake_after_commit(session, queue, TaskName.PLAN, str(job.id))
    return job, True


def check_job(
    session: Session,
    request: JobRequest,
    known_pools: Sequence[str],
    accepted_licences: Collection[str] = (),
    limits: PromptLimits = DEFAULT_LIMITS,
    weights_dir: Path | None = None,
) -> CheckedJob:
    """Check a request as `submit_job` does, without quotas and idempotency. The dataset stays locked against deletion
    until the end of the transaction.
    """
    task = parse_job_task(request.task)
    records = [get_variant(name) for name in _distinct("variants", request.variants)]
    for record in records:
        record.require_accepted(accepted_licences)
    pools = _check_pools(request.pools, known_pools)
    require_weights(session, records, pools, weights_dir)
    dataset = _check_dataset(session, request, {task.prompted_by(record) for record in records})
    if isinstance(task, PromptsJobTask):
        check_prompts(task, dataset, records)
    tasks = [(task.parameters(record), record.conventions.prompts.cost) for record in records]
    check_budget(session, dataset, tasks, limits, runs_each=len(pools), from_file=request.task.get("prompt") == "file")
    _check_failure_rate(request.max_failure_rate)
    return CheckedJob(request, task, records, pools, dataset)


def _check_failure_rate(rate: float) -> None:
    if not 0.0 <= rate <= 1.0:
        raise JobInvalid(f"max_failure_rate is {rate}; it is a fraction from 0 to 1")


def _add_run(session: Session, job: Job, record: VariantRecord, pool: str, task: JobTask, images: int) -> None:
    run = Run(id=uuid.uuid4(), job_id=job.id, variant=record.name, pool=pool)
    run.task, run.total = task.resolve(record), images
    run.provenance = {**record.provenance, "code_version": code_version()}
    run.model_sha256, run.exports_due = model_sha256(record), bool(job.exports)
    session.add(run)
    add_event(session, job.id, RunState.QUEUED, run_id=run.id)


def _has_place(session: Session, request: JobRequest, images: int, quotas: Quotas) -> bool:
    """Return False if a request with the same key took the last place; without such a request the quota's error."""
    try:
        require_place(session, request.tenant_id, images, quotas)
    except TooManyRequests:
        if _find(session, request) is None:  # else it committed while this one waited for the lock
            raise
        return False
    return True


def _insert_job(session: Session, request: JobRequest, task: JobTask, digest: str, dataset: Dataset) -> Job | None:
    """Insert the job. Returns None if the tenant has a job with this idempotency key."""
    values = {
        "id": uuid.uuid4(),
        "tenant_id": request.tenant_id,
        "dataset_id": request.dataset_id,
        "parent_id": request.parent_id,
        "name": request.name,
        "labels": check_labels(request.labels),
        "notes": request.notes,
        "task": task.to_dict(),
        "state": JobState.QUEUED,
        "image_count": dataset.image_count,
        "max_failure_rate": request.max_failure_rate,
        "evaluate": bool(dataset.annotation_count) if request.evaluate is None else request.evaluate,
        "keep_days": request.keep_days,
        "reuse_results": request.reuse_results,
        "exports": list(request.exports) or None,
        "priority": request.priority,
        "idempotency_key": request.idempotency_key,
        "request_sha256": digest,
        "correlation_id": correlation_id(),
        "sent_at": func.now(),
    }
    statement = insert(Job).values(values).on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
    return session.scalars(statement.returning(Job)).one_or_none()


def _find(session: Session, request: JobRequest) -> Job | None:
    if request.idempotency_key is None:
        return None
    query = select(Job).where(Job.tenant_id == request.tenant_id, Job.idempotency_key == request.idempotency_key)
    return session.scalars(query).one_or_none()


def _found(session: Session, request: JobRequest) -> Job:
    job = _find(session, request)
    if job is None:
        raise IdempotencyConflict("the job of this Idempotency-Key was just deleted; send the request again")
    return job


def _same(job: Job, digest: str) -> Job:
    if job.request_sha256 != digest:
        raise IdempotencyConflict(
            f"Idempotency-Key {job.idempotency_key!r} was used for another request (job {job.id}); use a new key"
        )
    return job


def _distinct(field: str, names: Sequence[str]) -> Sequence[str]:
    if not names:
        raise JobInvalid(f"{field} is empty; name at least one")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise JobInvalid(f"{field} names {', '.join(repeated)} more than once; name each once")
    return names


def _check_pools(pools: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    chosen = _distinct("pools", pools or known[:1])
    if unknown := [pool for pool in chosen if pool not in known]:
        raise PoolNotFound(f"pool {', '.join(unknown)} is unknown; known are {', '.join(sorted(known))}")
    return chosen


def _check_dataset(session: Session, request: JobRequest, needed: Collection[PromptSource | None]) -> Dataset:
    """Return the dataset if it fits the request and the `needed` sources of prompts.

    The lock prevents its deletion before the job is stored.
    """
    if request.reuse_results and set(needed) != {None}:
        raise ReuseNotPossible
    query = select(Dataset).where(Dataset.id == request.dataset_id, Dataset.tenant_id == request.tenant_id)
    shared = query.where(Dataset.deleted_at.is_(None)).with_for_update(read=True, key_share=True)
    dataset = session.scalars(shared, execution_options={"populate_existing": True}).one_or_none()
    if dataset is None:
        raise DatasetNotFound(f"dataset {request.dataset_id} does not exist; GET /v1/datasets lists yours")
    require_listed(dataset)
    if dataset.state is not DatasetState.SEALED:
        raise DatasetNotSealed(f"dataset {dataset.id} is still open; POST /v1/datasets/{dataset.id}/seal first")
    if dataset.image_count == 0:
        raise DatasetEmpty(f"dataset {dataset.id} has no images; there is nothing to segment")
    if "annotations" in needed and not dataset.annotation_count:
        raise AnnotationsMissing(
            f"dataset {dataset.id} has no annotations to take prompts from; "
            "make a dataset with a COCO annotations file, or use the task 'everything' with another sampler"
        )
    if request.evaluate and not dataset.annotation_count:
        raise AnnotationsMissing(
            f"dataset {dataset.id} has no annotations to evaluate against; "
            "make a dataset with a COCO annotations file, or leave evaluate out"
        )
    if request.evaluate:
        require_masks(dataset.box_annotation_count, dataset.annotation_count, "the evaluation")
    if "detections" in needed and dataset.detection_count is None:
        raise DetectionsMissing(
            f"dataset {dataset.id} has no detections to take boxes from; make a dataset with a detections file, "
            "or use boxes_from 'annotations' or another sampler"
        )
    if "prompts" in needed and dataset.prompt_count is None:
        raise PromptsMissing(f"dataset {dataset.id} has no prompts; make a dataset with a prompts file")
    return dataset
