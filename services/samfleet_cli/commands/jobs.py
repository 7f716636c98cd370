"""`samfleet jobs`: look after jobs that run or have run."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet_cli.options import ApiKey, ApiUrl, AsJson, Yes

if TYPE_CHECKING:
    from samfleet_cli.resources import Job

app = typer.Typer(help="List, show, follow, cancel and delete jobs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.jobs(state=state), limit))
    if as_json:
        _print_json([job.model_dump(mode="json") for job in found])
        return
    from samfleet_cli import tables

    rows = [(job.id, job.state, _created(job), _variants(job), job.counts.total, job.counts.failed) for job in found]
    tables.console().print(tables.table_of(("job", "state", "created", "variants", "images", "failed"), rows))


@app.command()
def show(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show one job: its state, counts, runs and their evaluation."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = client.job(job_id)
    _print_job(job, as_json=as_json)


@app.command()
def cancel(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel a job. Results that are recorded stay."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = client.cancel_job(job_id)
    _print_job(job, as_json=as_json)


@app.command()
def delete(
    job_id: JobId,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel it first where it still runs.")] = False,
    forget_measurements: Annotated[
        bool, typer.Option("--forget-measurements", help="Take its figures out of the reports too.")
    ] = False,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete a job with its results. Its dataset stays, and its figures in the reports unless told otherwise."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        if not yes:
            job = client.job(job_id)
            typer.confirm(f"Delete the job of {_created(job)} ({_variants(job)}, {job.state})?", abort=True)
        client.delete_job(job_id, cancel=cancel, forget_measurements=forget_measurements)
    typer.echo(f"job {job_id} is deleted")


@app.command()
def errors(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the images of a job that could not be segmented, and why."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        found = [error.model_dump() for error in client.job_errors(job_id)]
    if as_json:
        _print_json(found)
        return
    from samfleet_cli import tables

    tables.console().print(tables.errors_table(found))


@app.command()
def follow(
    job_id: JobId,
    out: Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False)],
    annotations: Annotated[
        Path | None,
        typer.Option(help="The job's COCO file, for the categories in dataset.json.", exists=True, dir_okay=False),
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Wait for a job and write its files, as `samfleet segment` does, with the same exit codes."""
    from samfleet_cli.commands.segment import print_summary
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.following import exit_code_of
    from samfleet_cli.progress import open_display
    from samfleet_cli.segmenting import finish_job

    with open_display(sys.stderr) as display, connect(choose_api(api_url, api_key)) as client:
        job, results = finish_job(client, job_id, out, display, annotations)
    print_summary(results.summary, as_json=as_json)
    raise typer.Exit(exit_code_of(job))


def _print_job(job: Job, *, as_json: bool) -> None:
    if as_json:
        _print_json(job.model_dump(mode="json"))
        return
    from samfleet_cli import tables
    from samfleet_cli.progress import describe, describe_stall

    console = tables.console()
    console.print(f"job {job.id}: {job.state}, {describe(job)}", markup=False)
    if stall := describe_stall(job):
        console.print(stall, markup=False)
    for reason in job.reasons:
        console.print(reason, markup=False)
    if job.state == "failed":
        console.print(job.kept, markup=False)
    rows = [
        (run.id, run.variant, run.pool, run.state, run.counts.total, run.counts.failed, run.masks) for run in job.runs
    ]
    console.print(tables.table_of(("run", "variant", "pool", "state", "images", "failed", "masks"), rows))
    for run in job.runs:
        if run.evaluation or run.quality_error:
            console.print(tables.evaluation_table(run.model_dump(mode="json")))


def _created(job: Job) -> str:
    return job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _variants(job: Job) -> str:
    return ", ".join(dict.fromkeys(run.variant for run in job.runs))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
