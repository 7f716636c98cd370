"""`samfleet storage`: bytes, objects and rows of a tenant, of a job, or of all tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, flag
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet_cli.listing import Form

KINDS = ("uploads", "results", "pictures", "exports", "total")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def storage(
    job_id: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB", help="Only this job: its id, or its first six or more characters.", show_default=False
        ),
    ] = None,
    all_tenants: Annotated[bool, flag("--all-tenants", help="All tenants, by name. Needs an admin key.")] = False,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show what your tenant stores: bytes, objects and rows, and its largest jobs and datasets."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    if job_id is not None and all_tenants:
        raise typer.BadParameter("give a job or --all-tenants, not both")
    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        if all_tenants:
            found: Any = list(client.tenants_storage())
        else:
            found = client.storage() if job_id is None else client.job_storage(job_id)
    if as_json:
        print_json(found)
    elif all_tenants:
        _print_uses("tenant", [(one["tenant"], one["total"]) for one in found], form)
    else:
        _print_uses("kind", [(kind, found[kind]) for kind in KINDS if kind in found], form)
        if largest := found.get("largest"):
            _print_uses("largest", [(_title(item), item) for item in largest], form)


def _print_uses(title: str, uses: list[tuple[str, dict[str, Any]]], form: Form) -> None:
    """Print rows of (name, use). People read sizes in binary units, programs in bytes."""
    from samfleet_cli.listing import Column, print_list

    columns = (
        Column(title, lambda row: row[0], folds=True),
        Column("bytes", lambda row: row[1]["bytes"] if form.plain else in_units(row[1]["bytes"])),
        Column("objects", lambda row: row[1]["objects"]),
        Column("rows", lambda row: row[1]["rows"]),
    )
    print_list(columns, uses, form, whole=[], empty="nothing is stored")


def _title(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['id']}" + (f" {item['name']}" if item["name"] else "")


def in_units(size: int) -> str:
    """Format bytes in the largest binary unit of which there is at least one."""
    power = max(0, min((size.bit_length() - 1) // 10, len(_UNITS) - 1))
    return f"{size} B" if power == 0 else f"{size / 1024**power:.1f} {_UNITS[power]}"
