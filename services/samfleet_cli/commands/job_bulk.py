"""`samfleet jobs bulk`: one action on many jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet_cli.commands.options import (
    ApiKey,
    ApiUrl,
    AsJson,
    LabelFilter,
    Plain,
    SearchText,
    Yes,
    flag,
    label_filters,
)
from samfleet_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from samfleet.client.client import SamfleetClient

ACTIONS = ("cancel", "pause", "resume", "retry", "export", "delete")


def bulk(
    action: Annotated[str, typer.Argument(metavar="ACTION", help=f"One of {', '.join(ACTIONS)}.")],
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Jobs; or choose them by the options.")
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help="In this state; may be repeated.", show_default=False)] = None,
    search: SearchText = None,
    label: LabelFilter = None,
    export_format: Annotated[
        str | None, typer.Option("--format", help="Format for the action export.", show_default=False)
    ] = None,
    cancel: Annotated[bool, flag("--cancel", help="With delete: cancel jobs that still run first.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel, pause, resume, retry, export or delete many jobs.

    Each job succeeds or fails for itself. The exit code is 1 if any job refused.
    """
    from samfleet_cli.commands.rows import print_rows
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    form = Form(as_json, plain)
    wanted = {"state": state, "q": search, "label": label_filters(label)}
    wanted = {name: value for name, value in wanted.items() if value}
    _check(action, job_ids, wanted, export_format)
    fields: dict[str, Any] = {"export": {"format": export_format}} if export_format else {}
    fields |= {"cancel": True} if cancel else {}
    with connect(choose_api(api_url, api_key)) as client:
        chosen, most = _choose(client, job_ids, wanted)
        if not yes:
            typer.confirm(f"{action.capitalize()} {most} {'job' if most == 1 else 'jobs'}?", abort=True)
        found = client.act_on_jobs(action, chosen, **fields, **({} if job_ids else {"filter": wanted, "most": most}))
    rows = [one.model_dump(mode="json") for one in found]
    if not as_json:
        rows = [
            {**row, "error": row["error"] and f"{row['error']['message']} ({row['error']['code']})"} for row in rows
        ]
    print_rows(rows, ("job_id", "name", "state", "error"), form, "no job matches")
    if any(one.error for one in found):
        raise typer.Exit(ExitCode.ERROR)


def _check(action: str, job_ids: list[str] | None, wanted: dict[str, Any], export_format: str | None) -> None:
    if action not in ACTIONS:
        raise typer.BadParameter(f"{action!r} is no action; give one of {', '.join(ACTIONS)}", param_hint="ACTION")
    if bool(job_ids) == bool(wanted):
        raise typer.BadParameter("give either jobs, or --state, --search or --label", param_hint="JOB")
    if (action == "export") != (export_format is not None):
        raise typer.BadParameter("belongs to the action export, which needs it", param_hint="--format")


def _choose(client: SamfleetClient, job_ids: list[str] | None, wanted: dict[str, Any]) -> tuple[list[str] | None, int]:
    """Return the full ids, or None for those of the filter, and the number of jobs."""
    if job_ids:
        ids = [client.job(job_id).id for job_id in job_ids]
        return ids, len(ids)
    return None, max(1, client.count_jobs(**wanted))
