"""`samfleet jobs`: manage running and finished jobs."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Force, Plain, Yes, flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from samfleet_cli.client.client import SamfleetClient
    from samfleet_cli.client.schemas import Job

app = typer.Typer(help="List, show, follow, pause, resume, retry, cancel and delete jobs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="The job's id, or its first six or more characters.")]


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 20,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.jobs(state=state), limit))
    columns = (
        Column("job", lambda job: job.id, is_id=True),
        Column("name", lambda job: job.name, folds=True),
        Column("state", lambda job: job.state),
        Column("created", lambda job: job.created_at),
        Column("variants", _variants, folds=True),
        Column("images", lambda job: job.counts.total),
        Column("failed", lambda job: job.counts.failed),
    )
    whole = [job.model_dump(mode="json") for job in found]
    print_list(columns, found, form, whole=whole, empty="there are no jobs" + (f" in state {state}" if state else ""))


@app.command()
def show(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show one job: its state, counts, runs and their evaluation."""
    _ask(lambda client: client.job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def cancel(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel a job. Recorded results are kept."""
    _ask(lambda client: client.cancel_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def pause(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Pause a job. What workers have started finishes; nothing new starts."""
    _ask(lambda client: client.pause_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def resume(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Let a paused job continue."""
    _ask(lambda client: client.resume_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def retry(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Compute the failed images of an ended job again. Its results are kept until the new ones replace them."""
    _ask(lambda client: client.retry_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def rerun(
    job_id: JobId,
    variants: Annotated[
        str | None, typer.Option(help="Other variants, separated by commas.", show_default=False)
    ] = None,
    pools: Annotated[str | None, typer.Option(help="Other pools, separated by commas.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="Another task, as JSON.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Submit a job again as a new one that names it as its parent. Options change fields; the others stay."""
    from samfleet_cli.connection import choose_api, connect

    changes = {"variants": _listed(variants), "pools": _listed(pools), "task": _task(task), "name": name}
    with connect(choose_api(api_url, api_key)) as client:
        job = client.rerun_job(client.job(job_id).id, **changes)
    _print_job(job, as_json=as_json)


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _task(value: str | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--task") from error


@app.command()
def delete(
    job_id: JobId,
    cancel: Annotated[bool, flag("--cancel", help="Cancel it first if it still runs.")] = False,
    forget_measurements: Annotated[
        bool, flag("--forget-measurements", help="Also remove its measurements from the reports.")
    ] = False,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete a job with its results. Its dataset and, by default, its measurements in the reports are kept."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = client.job(job_id)
        if not yes:
            typer.confirm(f"Delete the job created at {_created(job)} ({_variants(job)}, {job.state})?", abort=True)
        client.delete_job(job.id, cancel=cancel, forget_measurements=forget_measurements)
    typer.echo(f"job {job.id} is deleted")


@app.command()
def errors(
    job_id: JobId,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the failed images of a job with their errors."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        variants = {run.id: run.variant for run in client.job(job_id).runs}
        found = list(client.job_errors(job_id))
    columns = (
        Column("image", lambda error: error.file_name),
        Column("variant", lambda error: variants[error.run_id]),
        Column("code", lambda error: error.code),
        Column("message", lambda error: error.message, folds=True),
    )
    print_list(columns, found, form, whole=[error.model_dump() for error in found], empty="no image failed")


@app.command()
def follow(
    job_id: JobId,
    out: Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False)],
    force: Force = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Wait for a job and write its files, like `samfleet segment`, with the same exit codes."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.jobs.output_folder import require_out
    from samfleet_cli.jobs.progress import open_display
    from samfleet_cli.jobs.segment import finish_job
    from samfleet_cli.jobs.wait import exit_code_of
    from samfleet_cli.tables import print_summary

    with open_display(sys.stderr) as display, connect(choose_api(api_url, api_key)) as client:
        asked = client.job(job_id)
        require_out(out, [run.variant for run in asked.runs], force=force)
        job, results = finish_job(client, asked.id, out, display)
    print_summary(results, as_json=as_json)
    raise typer.Exit(exit_code_of(job))


def _ask(request: Callable[[SamfleetClient], Job], api_url: str | None, api_key: str | None, *, as_json: bool) -> None:
    """Send a request about one job and print the job."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = request(client)
    _print_job(job, as_json=as_json)


def _print_job(job: Job, *, as_json: bool) -> None:
    if as_json:
        _print_json(job.model_dump(mode="json"))
        return
    from samfleet_cli import tables
    from samfleet_cli.jobs.progress import describe, describe_stall

    console = tables.console()
    console.print(f"job {job.id}: {job.state}, {describe(job)}", markup=False)
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


def _created(job: Job) -> str:
    return job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _variants(job: Job) -> str:
    return ", ".join(dict.fromkeys(run.variant for run in job.runs))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
