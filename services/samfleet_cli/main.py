"""The `samfleet` command. Commands import what they need when they run, so that `--help` comes at once."""

from __future__ import annotations

import sys

import typer

from samfleet.errors import SamfleetError
from samfleet_cli.commands import doctor, up

app = typer.Typer(name="samfleet", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(up.up)
app.command()(up.down)
app.command()(up.status)
app.command()(doctor.doctor)


def main() -> None:
    try:
        app()
    except SamfleetError as error:
        typer.echo(f"samfleet: {error.message} [{error.code}]", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
