"""`samfleet jobs submit`, and the option `--export`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from samfleet_cli.commands.job_output import ask
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, KeepDays, Labels, Notes, Priority, flag, labels_of

Exports = Annotated[
    list[str] | None,
    typer.Option(
        "--export",
        metavar="FORMAT",
        help="Format of a file to build of each completed run (`samfleet exports formats`); may be repeated. "
        'With options as JSON: {"format": "yolo", "options": {"min_area": 100}}.',
        show_default=False,
    ),
]


def submit(
    dataset_id: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's id, or its first characters.")],
    variant: Annotated[list[str], typer.Option(help="Name of a variant; may be repeated.", show_default=False)],
    task: Annotated[str, typer.Option(help="A kind of task, or the API's task object as JSON.")] = "everything",
    pool: Annotated[list[str] | None, typer.Option(help="Name of a pool; may be repeated.", show_default=False)] = None,
    export: Exports = None,
    name: Annotated[str | None, typer.Option(help="Name of the job.", show_default=False)] = None,
    label: Labels = None,
    notes: Notes = None,
    keep_days: KeepDays = None,
    priority: Priority = None,
    reuse_results: Annotated[
        bool, flag("--reuse-results", help="Take over the masks of images that an earlier job has segmented.")
    ] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Submit a job on a dataset that the server has, without waiting for it (`samfleet jobs follow` does)."""
    wanted = json_or({"kind": task}, task, "--task")
    fields: dict[str, Any] = {
        "name": name, "labels": labels_of(label), "notes": notes, "keep_days": keep_days, "priority": priority,
        "reuse_results": reuse_results or None, "exports": exports_of(export),
    }  # fmt: skip
    ask(
        lambda client: client.submit_job(client.dataset(dataset_id).id, variant, wanted, pools=pool or (), **fields),
        api_url,
        api_key,
        as_json=as_json,
    )


def exports_of(formats: list[str] | None) -> list[Any] | None:
    """Return the API's form of `--export`; None if the option was not given."""
    return None if formats is None else [json_or({"format": one}, one, "--export") for one in formats]


def json_or(otherwise: dict[str, Any], text: str, option: str) -> Any:
    """Return the JSON object that an option has, or `otherwise` if it is no JSON object."""
    if not text.lstrip().startswith("{"):
        return otherwise
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint=option) from error
