from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from samfleet.client.image_schemas import ImageError
from samfleet.client.schemas import Job
from samfleet.client.steps import Call, Pages
from samfleet.client.values import unchanged, without_none

_JOB = Job.model_validate


def submit_job(
    dataset_id: str,
    variants: Sequence[str],
    task: Mapping[str, Any],
    *,
    pools: Sequence[str] = (),
    idempotency_key: str | None = None,
    **fields: Any,
) -> Call[Job]:
    """Submit a job. Requests with the same key make one job, however often they are sent.

    `fields` are further fields of the body, such as its name and labels; those that are None are left out.
    """
    body = {
        "dataset_id": dataset_id,
        "variants": list(variants),
        "task": dict(task),
        "pools": list(pools) or None,
        **fields,
    }
    return _submitted(without_none(body), idempotency_key)


def rerun_job(job_id: str, **changes: Any) -> Call[Job]:
    """Submit a job again as a new one; `changes` are fields of the body, without those that are None.

    An empty `name`, `notes` or `labels` clears that of the earlier job.
    """
    cleared = {name: None for name in ("name", "notes") if changes.get(name) == ""}
    return _submitted({"rerun_of": job_id, **without_none(changes), **cleared}, None)


def estimate_job(
    dataset_id: str | None = None,
    variants: Sequence[str] = (),
    task: Mapping[str, Any] | None = None,
    *,
    pools: Sequence[str] = (),
    **fields: Any,
) -> Call[dict[str, Any]]:
    """Return the estimated time, cost and size of a job, which is checked but not submitted.

    With `rerun_of` among `fields`, what is left out is that of the earlier job.
    """
    body = {
        "dataset_id": dataset_id,
        "variants": list(variants) or None,
        "task": None if task is None else dict(task),
        "pools": list(pools) or None,
        **fields,
    }
    return Call("POST", "/v1/job-estimate", unchanged, {"json": without_none(body)})


def _submitted(body: Mapping[str, Any], idempotency_key: str | None) -> Call[Job]:
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return Call("POST", "/v1/jobs", _JOB, {"json": body, "headers": headers})


def job(job_id: str) -> Call[Job]:
    """Return a job with its runs."""
    return Call("GET", f"/v1/jobs/{job_id}", _JOB)


def job_report(job_id: str, *, images: int | None = None) -> Call[bytes]:
    """Return the job's report as one HTML file, with so many sample images; the server's default without a number."""
    params = without_none({"images": images})
    return Call("GET", f"/v1/jobs/{job_id}/report.html", bytes, {"params": params}, response="bytes")


def jobs(**filters: Any) -> Pages[Job]:
    """Yield jobs, newest first. `filters` are parameters of the list, such as `state`, `q`, `label` and `sort`."""
    return Pages("/v1/jobs", _JOB, without_none(filters))


def count_jobs(**filters: Any) -> Call[int]:
    """Count the jobs that match the same filters as `jobs`, up to 10,000."""
    return Call("GET", "/v1/job-count", lambda answer: int(answer["count"]), {"params": without_none(filters)})


def edit_job(job_id: str, changes: Mapping[str, Any]) -> Call[Job]:
    """Change fields of a job; None removes one (RFC 7396)."""
    return Call("PATCH", f"/v1/jobs/{job_id}", _JOB, {"json": changes})


def cancel_job(job_id: str) -> Call[Job]:
    """Cancel a job. Recorded results are kept."""
    return Call("POST", f"/v1/jobs/{job_id}/cancel", _JOB)


def pause_job(job_id: str) -> Call[Job]:
    """Pause a job until it is resumed."""
    return Call("POST", f"/v1/jobs/{job_id}/pause", _JOB)


def resume_job(job_id: str) -> Call[Job]:
    """Resume a paused job."""
    return Call("POST", f"/v1/jobs/{job_id}/resume", _JOB)


def retry_job(job_id: str) -> Call[Job]:
    """Retry the failures of an ended job. Not repeated: a second request would be refused."""
    return Call("POST", f"/v1/jobs/{job_id}/retry", _JOB, repeatable=False)


def delete_job(job_id: str, *, cancel: bool = False, forget_measurements: bool = False) -> Call[None]:
    """Delete a job with its results; `cancel` first cancels one that has not ended."""
    params = {"cancel": cancel, "forget_measurements": forget_measurements}
    return Call("DELETE", f"/v1/jobs/{job_id}", unchanged, {"params": params}, response="empty")


def job_history(job_id: str) -> Pages[dict[str, Any]]:
    """Yield the changes of a job, newest first."""
    return Pages(f"/v1/jobs/{job_id}/history", unchanged)


def job_log(job_id: str, *, level: str | None = None, after: int | None = None) -> Pages[dict[str, Any]]:
    """Yield the lines of a job's log, newest first; with `after`, those with a larger id, oldest first.

    `level` leaves out lower levels than `info`, `warning` or `error`.
    """
    return Pages(f"/v1/jobs/{job_id}/log", unchanged, without_none({"level": level, "after": after}))


def deletions(*, kind: str | None = None) -> Pages[dict[str, Any]]:
    """Yield deleted jobs and datasets, newest first."""
    return Pages("/v1/deletions", unchanged, without_none({"kind": kind}))


def job_errors(job_id: str) -> Pages[ImageError]:
    """Yield the failed images of a job."""
    return Pages(f"/v1/jobs/{job_id}/errors", ImageError.model_validate)
