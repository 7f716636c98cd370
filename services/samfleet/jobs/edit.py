from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from samfleet.db.models import Job
from samfleet.jobs.cancel import JobFinished, JobNotFound
from samfleet.jobs.states import add_event, is_final, lock_job
from samfleet.labels import merge_changes


def edit_job(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID, changes: Mapping[str, Any]) -> Job:
    """Change fields of a job in any state, such as its name, labels and notes; its history names them.

    Labels are merged with those that it has; the row lock keeps those that another request adds. A priority (0 to 9)
    counts from the job's next claim. Raises `JobNotFound`, `LabelsInvalid`, and `JobFinished` for the priority of a job
    that has ended.
    """
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id or job.deleted_at is not None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if "priority" in changes and is_final(job.state):
        raise JobFinished(f"job {job_id} is {job.state.value}; its priority has no effect any more")
    before = job.priority
    if changed := merge_changes(job, changes):
        in_words = {"priority": f"priority from {before} to {job.priority}"}
        names = ", ".join(in_words.get(name, name) for name in changed)
        add_event(session, job.id, job.state, from_state=job.state, detail=f"changed {names}")
    session.flush()
    return job
