"""`samfleet backup` and `samfleet restore`: the embedded stack in one file."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.options import AsJson, flag
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet_cli.backups.restore import Contents

_OTHERS = 0o077  # mode bits of accounts other than the owner
_TERMINATED = 128 + signal.SIGTERM


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, such as samfleet.tar.zst.")],
    with_weights: Annotated[
        bool, flag("--with-weights", help="Include the weights, which can be fetched again.")
    ] = False,
    without_secrets: Annotated[
        bool, flag("--without-secrets", help="Leave out the stack's API key and the key that signs its measurements.")
    ] = False,
    allow_missing: Annotated[
        bool, flag("--allow-missing", help="Succeed although the object store lacks objects that rows name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a consistent backup of this directory's stack, running or stopped.

    It contains the database, the objects that it names, and two keys: keep the file as secret as the state directory.
    """
    from samfleet_cli.backups.write import BackupOptions, back_up
    from samfleet_cli.commands.storage import in_units
    from samfleet_cli.local_stack.settings import StackSettings

    _prepare()
    options = BackupOptions(weights=with_weights, secrets=not without_secrets, allow_missing=allow_missing)
    report = back_up(StackSettings().state_dir, file, options)
    if as_json:
        print_json(asdict(report))
        return
    sizes = f"database {in_units(report.database_bytes)}, {report.objects} objects {in_units(report.object_bytes)}"
    typer.echo(f"{report.file}: {in_units(report.file_bytes)} ({sizes})")
    if report.missing:
        typer.echo(f"{report.missing} objects that rows name are not in the object store", err=True)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `samfleet backup`.")],
    verify: Annotated[bool, flag("--verify", help="Only read the file and compare its checksums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new state directory (SAMFLEET_STATE_DIR) from a backup; `samfleet up` then continues its jobs."""
    from samfleet_cli.backups import restore as restoring
    from samfleet_cli.local_stack.settings import StackSettings

    _prepare()
    state_dir = StackSettings().state_dir
    contents = restoring.verify(file) if verify else restoring.restore(file, state_dir)
    if as_json:
        print_json(asdict(contents))
        return
    done = f"{file} is whole" if verify else f"restored into {state_dir.resolve()}; `samfleet up` starts it"
    typer.echo(f"{done} ({_describe(contents)})")


def _describe(contents: Contents) -> str:
    from samfleet_cli.commands.storage import in_units

    header = contents.header
    sizes = f"database {in_units(contents.database_bytes)}, {contents.objects} objects"
    weights = f", {contents.weights} files of weights" if contents.weights else ""
    return f"made {header.created_at} by samfleet {header.samfleet}, {sizes} {in_units(contents.object_bytes)}{weights}"


def _prepare() -> None:
    """Close new files to other accounts, and let SIGTERM stop servers and remove unfinished files."""
    os.umask(_OTHERS)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_TERMINATED))
