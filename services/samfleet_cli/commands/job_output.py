"""Output of the commands about one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from samfleet.client.client import SamfleetClient
    from samfleet.client.schemas import Job

JobId = Annotated[str, typer.Argument(help="The job's id, or its first six or more characters.")]


def ask(request: Callable[[SamfleetClient], Job], api_url: str | None, api_key: str | None, *, as_json: bool) -> None:
    """Send a request about one job and print the job."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = request(client)
    print_job(job, as_json=as_json)


def print_job(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    from samfleet_cli import tables
    from samfleet_cli.jobs.progress import describe, describe_stall

    console = tables.console()
    console.print(f"job {job.id}: {job.state}, {describe(job)}", markup=False)
    for line in description(job):
        console.print(line, markup=False)
    if stall := describe_stall(job):
        console.print(stall, markup=False)
    for reason in job.reasons:
        console.print(reason, markup=False)
    if job.annotations is not None:
        console.print(f"annotations: {job.annotations}", markup=False)
    if job.error is not None:
        console.print(job.kept, markup=False)
    rows = [
        (run.id, run.variant, run.pool, run.state, run.counts.total, run.counts.failed, run.masks) for run in job.runs
    ]
    console.print(tables.table_of(("run", "variant", "pool", "state", "images", "failed", "masks"), rows))
    for run in job.runs:
        if run.evaluation or run.quality_error:
            console.print(tables.evaluation_table(run.model_dump(mode="json")))


def description(job: Job) -> list[str]:
    """Return lines with the name, labels and notes that a job has, and when it will be deleted."""
    kept_until = job.expires_at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if job.expires_at else None
    given = {
        "name": job.name,
        "labels": labels_in_words(job.labels),
        "notes": job.notes,
        "kept until": kept_until,
        "kept after its end": f"{job.keep_days} days" if job.keep_days and not kept_until else None,
    }
    return [f"{title}: {value}" for title, value in given.items() if value]


def labels_in_words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def created(job: Job) -> str:
    return job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def variants_of(job: Job) -> str:
    return ", ".join(dict.fromkeys(run.variant for run in job.runs))
