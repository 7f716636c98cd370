"""`samfleet jobs estimate`: time, cost and size of a job before it is submitted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from samfleet_cli.commands.job_submit import json_or
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
from samfleet_cli.commands.rows import print_json
from samfleet_cli.commands.storage import in_units

UNKNOWN = "not known"
_MINUTE, _HOUR = 60, 3600


def estimate(
    dataset_id: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's id, or its first characters.")],
    variant: Annotated[list[str], typer.Option(help="Name of a variant; may be repeated.", show_default=False)],
    task: Annotated[str, typer.Option(help="A kind of task, or the API's task object as JSON.")] = "everything",
    pool: Annotated[list[str] | None, typer.Option(help="Name of a pool; may be repeated.", show_default=False)] = None,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Estimate time, cost and size of a job from earlier runs, without submitting it."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    wanted = json_or({"kind": task}, task, "--task")
    with connect(choose_api(api_url, api_key)) as client:
        found = client.estimate_job(client.dataset(dataset_id).id, variant, wanted, pools=pool or ())
    if as_json:
        print_json(found)
        return
    columns = (
        Column("variant", lambda row: row.get("variant", "total")),
        Column("pool", lambda row: row.get("pool")),
        Column("images", lambda row: row["images"]),
        Column("time", lambda row: _words(row["seconds"], in_time)),
        Column("cost", lambda row: _words(row["cost"], lambda cost: f"{cost:.4g} {row['currency']}")),
        Column("database", lambda row: _words(row["database_bytes"], _size)),
        Column("objects", lambda row: _words(row["object_bytes"], _size)),
    )
    rows = [*found["runs"], found["total"]]
    print_list(columns, rows, form, whole=rows, empty="", note="\n".join(_notes(found)))


def _notes(found: dict[str, Any]) -> list[str]:
    """Return how each figure of the runs is known, each way once, and what they assume."""
    names = ("seconds", "cost", "database_bytes", "object_bytes")
    sources = [f"{run['variant']}: {run[name]['source']}" for run in found["runs"] for name in names]
    return [*dict.fromkeys(sources), *found["notes"]]


def _words(figure: dict[str, Any], shown: Any) -> str:
    if figure["value"] is None:
        return UNKNOWN
    spread = "" if figure["low"] is None else f" ({shown(figure['low'])} to {shown(figure['high'])})"
    return f"{shown(figure['value'])}{spread}"


def in_time(seconds: float) -> str:
    """Format a time: `45 s`, `3.5 min`, `2.1 h`."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.3g} s"
    return f"{seconds / _MINUTE:.1f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"


def _size(size: float) -> str:
    return in_units(round(size))
