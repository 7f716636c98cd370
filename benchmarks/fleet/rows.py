"""Rows that stand for submitted work: tenants, and jobs of one run without the checks of a submission."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import Engine, func
from sqlalchemy.orm import Session

from benchmarks.fleet.workload import JobSpec, TenantSpec, run_of
from samfleet.db.models import Dataset, DatasetSource, DatasetState, Job, Run, RunState, Tenant
from samfleet.db.session import transaction
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.settle import end_run, settle_job
from samfleet.jobs.states import lock_run


def write_tenants(engine: Engine, tenants: Iterable[TenantSpec]) -> None:
    with transaction(engine) as session:
        session.add_all(Tenant(id=one.id, name=one.name, weight=one.weight) for one in tenants)


def submit(session: Session, queue: TaskQueue, job: JobSpec) -> None:
    """Insert a queued job with its run and an empty dataset of the right size, and wake the planner."""
    dataset = Dataset(tenant_id=job.tenant.id, name="simulated", source=DatasetSource.UPLOAD)
    dataset.id, dataset.state, dataset.image_count = uuid.uuid5(job.id, "dataset"), DatasetState.SEALED, job.images
    session.add(dataset)
    session.flush()
    row = Job(id=job.id, tenant_id=job.tenant.id, dataset_id=dataset.id, task={}, image_count=job.images)
    row.request_sha256, row.sent_at, row.created_at = "0" * 64, func.now(), func.now()
    session.add(row)
    session.flush()
    session.add(Run(id=run_of(job.id), job_id=job.id, variant=job.variant, pool=job.pool, task={}, total=job.images))
    wake_after_commit(session, queue, TaskName.PLAN, str(job.id))


def finish(session: Session, run_id: uuid.UUID) -> None:
    """Complete a run and, with its last run, the job, as `finish_run` does after it has read the parts."""
    locked = lock_run(session, run_id)
    if locked is not None and locked.run.state is RunState.FINISHING:
        end_run(session, locked.run, RunState.COMPLETED)
        settle_job(session, locked.job)
