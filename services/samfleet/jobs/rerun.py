"""Reruns: the request of an earlier job again, with changed fields."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.job_request import JobRequest


def rerun_request(session: Session, tenant_id: uuid.UUID, parent_id: uuid.UUID, **changes: Any) -> JobRequest:
    """Return a request for the job `parent_id` again; `changes` are fields of `JobRequest`.

    On another dataset the default decides about the evaluation. Raises `JobNotFound`.
    """
    owned = select(Job).where(Job.id == parent_id, Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
    parent = session.scalars(owned.with_for_update(read=True, key_share=True)).one_or_none()
    if parent is None:
        raise JobNotFound(f"job {parent_id} does not exist, so it cannot run again; GET /v1/jobs lists yours")
    runs = session.execute(select(Run.variant, Run.pool).where(Run.job_id == parent_id).order_by(Run.variant, Run.pool))
    variants, pools = zip(*runs.all(), strict=True)
    request = JobRequest(
        tenant_id=tenant_id,
        dataset_id=parent.dataset_id,
        variants=tuple(dict.fromkeys(variants)),
        pools=tuple(dict.fromkeys(pools)),
        task=parent.task,
        name=parent.name,
        labels=parent.labels,
        notes=parent.notes,
        max_failure_rate=parent.max_failure_rate,
        evaluate=None if "dataset_id" in changes else parent.evaluate,
        parent_id=parent_id,
        keep_days=parent.keep_days,
        priority=parent.priority,
        exports=parent.exports or (),
    )
    return replace(request, **changes)
