"""`samfleet jobs`: manage running and finished jobs."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands import history, job_bulk, job_edits, job_estimate, job_submit
from samfleet_cli.commands.job_output import JobId, ask, created, labels_in_words, variants_of
from samfleet_cli.commands.options import (
    ApiKey,
    ApiUrl,
    AsJson,
    Force,
    LabelFilter,
    Plain,
    SearchText,
    Yes,
    flag,
    label_filters,
)

app = typer.Typer(
    help="Submit, list, show, follow, edit, pause, resume, retry, cancel and delete jobs, one or many.",
    no_args_is_help=True,
)
app.command()(job_submit.submit)
app.command()(job_estimate.estimate)
app.command()(history.events)
app.command()(history.log)
app.command()(job_edits.edit)
app.command()(job_edits.rerun)
app.command()(job_bulk.bulk)


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.", show_default=False)] = None,
    search: SearchText = None,
    label: LabelFilter = None,
    sort: Annotated[
        str | None,
        typer.Option(help="name, state, duration, created_at or finished_at; - before it: largest first."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number.")] = 20,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first or in the order of --sort."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.jobs(state=state, q=search, label=label_filters(label), sort=sort), limit))
    columns = (
        Column("job", lambda job: job.id, is_id=True),
        Column("name", lambda job: job.name, folds=True),
        Column("state", lambda job: job.state),
        Column("created", lambda job: job.created_at),
        Column("variants", variants_of, folds=True),
        Column("images", lambda job: job.counts.total),
        Column("failed", lambda job: job.counts.failed),
        Column("labels", lambda job: labels_in_words(job.labels), folds=True),
    )
    whole = [job.model_dump(mode="json") for job in found]
    empty = "no job matches" if search or label else "there are no jobs" + (f" in state {state}" if state else "")
    print_list(columns, found, form, whole=whole, empty=empty)


@app.command()
def show(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show one job: its state, counts, runs and their evaluation."""
    ask(lambda client: client.job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def cancel(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel a job. Recorded results are kept."""
    ask(lambda client: client.cancel_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def pause(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Pause a job. What workers have started finishes; nothing new starts."""
    ask(lambda client: client.pause_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def resume(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Let a paused job continue."""
    ask(lambda client: client.resume_job(job_id), api_url, api_key, as_json=as_json)


@app.command()
def retry(
    job_id: JobId,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Compute the failed images of an ended job again. Its results are kept until the new ones replace them."""
    ask(lambda client: client.retry_job(job_id), api_url, api_key, as_json=as_json)


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
            typer.confirm(f"Delete the job created at {created(job)} ({variants_of(job)}, {job.state})?", abort=True)
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
    from samfleet_cli.jobs.exit_code import exit_code_of
    from samfleet_cli.jobs.output_folder import require_out
    from samfleet_cli.jobs.progress import open_display
    from samfleet_cli.jobs.segment import finish_job
    from samfleet_cli.tables import print_summary

    with open_display(sys.stderr) as display, connect(choose_api(api_url, api_key)) as client:
        asked = client.job(job_id)
        require_out(out, [run.variant for run in asked.runs], force=force)
        job, results = finish_job(client, asked.id, out, display)
    print_summary(results, as_json=as_json)
    raise typer.Exit(exit_code_of(job))
