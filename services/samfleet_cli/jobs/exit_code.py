"""Exit code of a command that followed a job."""

from __future__ import annotations

from samfleet.client.schemas import Job
from samfleet.client.wait import JobFailed
from samfleet_cli.exit_codes import ExitCode

NO_IMAGE_SUCCEEDED = "no_image_succeeded"  # error code of a job whose images all failed


def exit_code_of(job: Job) -> ExitCode:
    """Return the exit code for an ended job. Raises `JobFailed` if it failed for another reason than its images."""
    if job.state == "failed" and (job.error is None or job.error.code != NO_IMAGE_SUCCEEDED):
        reason = "; ".join(job.reasons) or "the server gives no reason"
        raise JobFailed(f"job {job.id} failed: {reason}; {job.kept}")
    if job.state == "cancelled":
        return ExitCode.CANCELLED
    return ExitCode.IMAGES_FAILED if job.state != "completed" or job.counts.failed else ExitCode.OK
