"""`samfleet jobs edit` and `rerun`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from samfleet_cli.commands.edit_options import NewName, NewNotes, RemovedLabels, changes_of
from samfleet_cli.commands.job_output import JobId, ask, print_job
from samfleet_cli.commands.job_submit import Exports, exports_of
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, KeepDays, Labels, Priority, labels_of


def edit(
    job_id: JobId,
    name: NewName = None,
    label: Labels = None,
    remove_label: RemovedLabels = None,
    notes: NewNotes = None,
    keep_days: KeepDays = None,
    priority: Priority = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Change the name, labels and notes of a job, in any state, and how long it is kept. Labels not given stay.

    --priority is for a job that has not ended.
    """
    changes = changes_of(name, label, remove_label, notes, keep_days=keep_days, priority=priority)
    ask(lambda client: client.edit_job(job_id, changes), api_url, api_key, as_json=as_json)


def rerun(
    job_id: JobId,
    variants: Annotated[
        str | None, typer.Option(help="Other variants, separated by commas.", show_default=False)
    ] = None,
    pools: Annotated[str | None, typer.Option(help="Other pools, separated by commas.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="Another task, as JSON.", show_default=False)] = None,
    name: NewName = None,
    label: Labels = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Without the labels of the earlier job.")] = False,
    notes: NewNotes = None,
    keep_days: KeepDays = None,
    priority: Priority = None,
    export: Exports = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Submit a job again as a new one that names it as its parent. Options change fields; the others stay.

    --label replaces all labels of the earlier job, and --export all its exports.
    """
    if no_labels and label:
        raise typer.BadParameter("give either --label or --no-labels", param_hint="--no-labels")
    from samfleet_cli.connection import choose_api, connect

    changes = {"variants": _listed(variants), "pools": _listed(pools), "task": _task(task), "name": name}
    described: dict[str, Any] = {
        "labels": {} if no_labels else labels_of(label),
        "notes": notes,
        "keep_days": keep_days,
    }
    described |= {"priority": priority, "exports": exports_of(export)}
    with connect(choose_api(api_url, api_key)) as client:
        job = client.rerun_job(client.job(job_id).id, **changes, **described)
    print_job(job, as_json=as_json)


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _task(value: str | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--task") from error
