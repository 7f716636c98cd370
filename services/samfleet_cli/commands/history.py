"""`samfleet jobs events` and `samfleet deletions`: who changed or deleted what, when and why."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from samfleet_cli.commands.job_output import JobId
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
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
