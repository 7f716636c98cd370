"""`samfleet exports`: files made of a run's results on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, Yes, flag
from samfleet_cli.commands.rows import print_json, print_rows

app = typer.Typer(help="Make files of a run's results on the server and download them.", no_args_is_help=True)

RunId = Annotated[
    str, typer.Argument(help="The run's id, as `samfleet jobs show --json` has it, or its first six characters.")
]
ExportId = Annotated[
    str, typer.Argument(help="The export's id, as `samfleet exports list` shows it, or its first six characters.")
]
Out = Annotated[
    Path | None, typer.Option(help="File to write. Default: the server's name, in this folder.", show_default=False)
]
COLUMNS = ("id", "format", "state", "progress", "bytes", "outdated", "created_at", "expires_at", "error")


Tolerance = Annotated[
    float | None, typer.Option(min=0, help="Tolerance in pixels of the simplification of polygons.", show_default=False)
]
MinArea = Annotated[int | None, typer.Option(min=0, help="Leave out masks of fewer pixels.", show_default=False)]
MinScore = Annotated[
    float | None, typer.Option(min=0, max=1, help="Leave out masks with a lower confidence.", show_default=False)
]
CategoryName = Annotated[
    str | None, typer.Option(help="Category of masks without one. Default: object.", show_default=False)
]
Reviewed = Annotated[
    str | None,
    typer.Option(
        help="Only masks with this review: accepted, rejected or unreviewed. Default: all.", show_default=False
    ),
]
KeepExport = Annotated[
    int | None,
    typer.Option(min=1, help="Days after its end until it is deleted. Default: with its job.", show_default=False),
]


@app.command("formats")
def formats(as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the formats of the server. --json also has the options with their defaults."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = client.export_formats()
    if as_json:
        print_json(found)
        return
    print_rows(found["items"], ("name", "extension", "description"), Form(as_json, plain), "there are no formats")


@app.command("create")
def create(
    run_id: RunId,
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="One of `samfleet exports formats`.")],
    tolerance: Tolerance = None,
    min_area: MinArea = None,
    min_score: MinScore = None,
    category_name: CategoryName = None,
    one_class: Annotated[bool, flag("--one-class", help="Give all masks the category --category-name.")] = False,
    reviewed: Reviewed = None,
    keep_days: KeepExport = None,
    out: Annotated[Path | None, typer.Option(help="Wait for the file and write it here.", show_default=False)] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a file of the results of a run that has ended. The same request again returns the same export."""
    from samfleet.client.wait import wait_for_export
    from samfleet_cli.connection import choose_api, connect

    given = {"tolerance": tolerance, "min_area": min_area, "min_score": min_score, "category_name": category_name}
    given |= {"one_class": one_class or None, "reviewed": reviewed}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with connect(choose_api(api_url, api_key)) as client:
        export = client.create_export(run_id, form, options, keep_days=keep_days)
        if out is not None:
            export = wait_for_export(client, export)
            client.download_export(export, out)
    if as_json:
        print_json(export)
    else:
        typer.echo(str(out) if out is not None else f"export {export['id']} is {export['state']}")


@app.command("estimate")
def estimate(
    run_id: RunId,
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="One of `samfleet exports formats`.")],
    tolerance: Tolerance = None,
    min_area: MinArea = None,
    min_score: MinScore = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print the size in bytes that an export would have. `about` says that it is estimated from some of the images."""
    from samfleet_cli.connection import choose_api, connect

    given = {"tolerance": tolerance, "min_area": min_area, "min_score": min_score}
    options = {name: value for name, value in given.items() if value is not None}
    with connect(choose_api(api_url, api_key)) as client:
        found = client.estimate_export(run_id, form, options)
    if as_json:
        print_json(found)
    elif found["bytes"] is None:
        typer.echo("unknown: the format shows images, or may not hold these masks")
    else:
        typer.echo(f"{'' if found['exact'] else 'about '}{found['bytes']} bytes")


@app.command("list")
def list_exports(
    run_id: RunId, as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """List the exports of a run, newest first. Outdated: a retry has changed the results since."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.exports(run_id))
    rows = found if as_json else [{**one, "error": (one["error"] or {}).get("code")} for one in found]
    print_rows(rows, COLUMNS, Form(as_json, plain), "the run has no exports")


@app.command("download")
def download(
    export_id: ExportId, out: Out = None, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """Download the file, waiting until it is built. A repeated command continues an interrupted download."""
    from samfleet.client.wait import wait_for_export
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        export = wait_for_export(client, client.export(export_id))
        path = out or Path(Path(export["file_name"]).name)
        client.download_export(export, path)
    if as_json:
        print_json({**export, "path": str(path)})
    else:
        typer.echo(str(path))


@app.command("delete")
def delete(export_id: ExportId, yes: Yes = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete an export with its file. The run's results stay."""
    from samfleet_cli.connection import choose_api, connect

    if not yes:
        typer.confirm(f"delete export {export_id} with its file?", abort=True)
    with connect(choose_api(api_url, api_key)) as client:
        client.delete_export(export_id)
    typer.echo(f"export {export_id} is deleted")
