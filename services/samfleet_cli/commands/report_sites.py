"""`samfleet report export`, `import`, `sites`, `forget`: exchange measurements between sites."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands.options import AsJson, Plain
from samfleet_cli.commands.report_options import EXPORTED, Asked, asks


@asks(*EXPORTED, output=False)
def export(
    asked: Asked,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Output file. Default: NAME_OF_THE_SITE.jsonl.gz.", show_default=False),
    ] = None,
) -> None:
    """Write this site's measurements to a signed file that other sites can import."""
    from samfleet_cli.commands.report_output import open_api, params_of

    with open_api(asked) as client:
        this = client.sites()["this"]
        path = file or Path(f"{this['name']}.jsonl.gz")
        client.export_measurements(path, params_of(client, asked))
    typer.echo(f"{path}: site {this['name']}, fingerprint {this['fingerprint']}")


@asks(output=False)
def import_(
    asked: Asked,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Another site's export.")],
    trust: Annotated[
        str | None,
        typer.Option(
            metavar="FINGERPRINT",
            help="Fingerprint of the site, confirmed by its owner; needed for the first import from a site.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import measurements of another site. Importing the same file again changes nothing; a later one replaces runs."""
    from samfleet_cli.commands.report_output import open_api, print_json

    with open_api(asked) as client:
        found = client.import_measurements(file, trust)
    if as_json:
        print_json(found)
        return
    counts = ", ".join(f"{found[name]} {name}" for name in ("added", "replaced", "unchanged"))
    typer.echo(f"site {found['site']}, exported {found['exported_at']}: runs {counts}")


@asks(output=False)
def sites(asked: Asked, as_json: AsJson = False, plain: Plain = False) -> None:
    """Show this site's name and fingerprint, and the sites whose measurements were imported."""
    from samfleet_cli.commands.report_output import open_api, print_json
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with open_api(asked) as client:
        found = client.sites()
    if as_json:
        print_json(found)
        return
    this = found["this"]
    typer.echo(
        f"this site: {this['name']}, fingerprint {this['fingerprint']}"
        if this["name"]
        else "this site: no name (SAMFLEET_SITE is not set), so nothing can be exported",
        err=plain,
    )
    columns = (
        Column("imported from", lambda site: site["name"]),
        Column("runs", lambda site: site["runs"]),
        Column("as of", lambda site: datetime.fromisoformat(site["exported_at"])),
        Column("fingerprint", lambda site: site["fingerprint"]),
    )
    print_list(columns, found["items"], form, whole=found["items"], empty="no measurements have been imported")


@asks(output=False)
def forget(
    asked: Asked, name: Annotated[str, typer.Argument(metavar="NAME", help="Name shown by `samfleet report sites`.")]
) -> None:
    """Delete all measurements imported from a site, and the trust in its key."""
    from samfleet_cli.commands.report_output import open_api

    with open_api(asked) as client:
        client.forget_site(name)
    typer.echo(f"forgot {name} and all measurements imported from it")
