"""Bodies of events: small, with ids, states, counts and links. Links are paths below the URL of the API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState

MOST_MESSAGE = 300  # characters of an error's message; the job itself has all of it


def event_body(event_type: str, data: Mapping[str, Any]) -> str:
    """Return the JSON text of an event that happens now."""
    whole = {"type": event_type, "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def job_data(session: Session, job: Job, before: JobState) -> dict[str, Any]:
    """Return the data of a change of a job, with the sums of its runs' counts."""
    sums = select(
        func.coalesce(func.sum(Run.total), 0),
        func.coalesce(func.sum(Run.succeeded), 0),
        func.coalesce(func.sum(Run.failed), 0),
        func.coalesce(func.sum(Run.masks), 0),
    )
    total, succeeded, failed, masks = session.execute(sums.where(Run.job_id == job.id)).one()
    return {
        "job_id": str(job.id),
        "dataset_id": str(job.dataset_id),
        "name": job.name,
        "from_state": before.value,
        "state": job.state.value,
        "counts": _counts(total, succeeded, failed, masks),
        "error": _error(job),
        "links": _links(job.id),
    }


def run_data(run: Run, before: RunState) -> dict[str, Any]:
    """Return the data of a change of a run."""
    return {
        "job_id": str(run.job_id),
        "run_id": str(run.id),
        "variant": run.variant,
        "pool": run.pool,
        "from_state": before.value,
        "state": run.state.value,
        "counts": _counts(run.total, run.succeeded, run.failed, run.masks),
        "error": _error(run),
        "links": {**_links(run.job_id), "run": f"/v1/runs/{run.id}"},
    }


def _counts(total: int, succeeded: int, failed: int, masks: int) -> dict[str, int]:
    return {"total": int(total), "succeeded": int(succeeded), "failed": int(failed), "masks": int(masks)}


def _error(subject: Job | Run) -> dict[str, str] | None:
    if subject.error_code is None:
        return None
    return {"code": subject.error_code, "message": (subject.error_message or "")[:MOST_MESSAGE]}


def _links(job_id: uuid.UUID) -> dict[str, str]:
    return {"job": f"/v1/jobs/{job_id}", "dashboard": f"/dashboard/jobs/{job_id}"}
