"""The `samfleet` command. Commands import their dependencies when they run, so that `--help` is fast."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samfleet.errors import SamfleetError
from samfleet_cli.commands.on_demand import RootGroup
from samfleet_cli.commands.options import flag
from samfleet_cli.exit_codes import ExitCode

FILE_ERROR = "file_error"  # errors of local files and folders

app = typer.Typer(
    name="samfleet",
    cls=RootGroup,
    help="Segment whole image datasets with a fleet of Segment Anything variants.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    typer.echo(f"samfleet {version('samfleet')}")
    raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, flag("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    variants_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="SAMFLEET_VARIANTS_DIR",
            help="Folder of YAML files, one for each variant that you add.",
            show_default=False,
        ),
    ] = None,
) -> None:
    if variants_dir is not None:
        from samfleet_cli.local_stack.own_variants import know_own_variants

        know_own_variants(variants_dir)


def main() -> None:
    """Run the command line. Errors are printed to stderr as a sentence and a code, never as a traceback."""
    try:
        app()
    except SamfleetError as error:
        typer.echo(f"samfleet: {error.message} [{_code(error)}]", err=True)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"samfleet: {where}{error.strerror or error} [{FILE_ERROR}]", err=True)
    sys.exit(ExitCode.ERROR)


def _code(error: SamfleetError) -> str:
    """Return the error's code; for errors reported by the API, the API's code."""
    return str(getattr(error, "problem_code", error.code))


if __name__ == "__main__":
    main()
