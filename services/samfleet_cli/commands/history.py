"""`samfleet jobs events`, `jobs log` and `samfleet deletions`: what happened, when and why."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any

import typer

from samfleet_cli.commands.job_output import JobId
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, flag
from samfleet_cli.commands.rows import print_rows

Limit = Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")]


def events(
    job_id: JobId,
    limit: Limit = 100,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the changes of a job and its runs, newest first: who, when and why."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.job_history(job_id), limit))
    columns = (
        Column("at", lambda one: datetime.fromisoformat(one["at"])),
        Column("run", _run, folds=True),
        Column("from", lambda one: one["from_state"]),
        Column("to", lambda one: one["to_state"]),
        Column("by", lambda one: one["key"] or one["actor"], folds=True),
        Column("reason", lambda one: one["reason"], folds=True),
    )
    print_list(columns, found, form, whole=found, empty="nothing was changed")


def log(
    job_id: JobId,
    follow: Annotated[bool, flag("--follow", "-f", help="Go on with new lines until the job has ended.")] = False,
    level: Annotated[
        str | None, typer.Option(help="Only this level and above: info, warning or error.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of lines that exist already.")] = 100,
    as_json: Annotated[bool, flag("--json", help="Print a JSON object a line.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print the newest lines of a job's log, oldest first: what the service did for the job, and what it met."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        job = client.job(job_id)
        newest = list(islice(client.job_log(job.id, level=level), limit))[::-1]
        after = newest[-1]["id"] if newest else 0
        lines = chain(newest, client.follow_job_log(job.id, level=level, after=after)) if follow else newest
        for line in lines:
            typer.echo(json.dumps(line, ensure_ascii=False) if as_json else _in_words(line))


def _in_words(line: dict[str, Any]) -> str:
    at = datetime.fromisoformat(line["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    shard = "" if line["shard"] is None else f" shard {line['shard']}"
    whose = f"{_run(line) or 'job'}{shard}"
    # names of files are in it, and control characters would steer the terminal
    message = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line["message"])
    return f"{at} {line['level']:7} {whose}: {message} ({line['code']})"


def deletions(
    kind: Annotated[str | None, typer.Option(help="Only these: job or dataset.", show_default=False)] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List deleted jobs and datasets, newest first: who deleted them, when and why."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.deletions(kind=kind), limit))
    shown = [{**one, "deleted_at": one["at"], "by": one["key"] or one["actor"]} for one in found]
    if as_json:
        shown = found
    print_rows(shown, ("deleted_at", "kind", "subject_id", "name", "by", "reason"), form, "nothing was deleted")


def _run(change: dict[str, Any]) -> str | None:
    return f"{change['variant']} on {change['pool']}" if change["run_id"] else None
