from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from samfleet.db.models import Job
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.states import add_event, lock_job
from samfleet.labels import merge_changes


def edit_job(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID, changes: Mapping[str, Any]) -> Job:
    """Change fields of a job in any state, such as its name, labels and notes; its history names them.

    Labels are merged with those that it has; the row lock keeps those that another request adds. Raises `JobNotFound`
    and `LabelsInvalid`.
    """
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id or job.deleted_at is not None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if changed := merge_changes(job, changes):
        add_event(session, job.id, job.state, from_state=job.state, detail=f"changed {', '.join(changed)}")
    session.flush()
    return job
