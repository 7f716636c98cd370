"""Programs of the embedded PostgreSQL: a server for a stopped stack, `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from samfleet_cli.backups.errors import DatabaseDidNotStart, DatabaseToolFailed
from samfleet_cli.local_stack import postgres
from samfleet_cli.local_stack.child import last_words
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import Answer, PartSpec
from samfleet_cli.local_stack.ports import choose_ports
from samfleet_cli.local_stack.processes import MARKER

_READY_SECONDS = 300.0  # after a crash it replays its log first
_POLL_SECONDS = 0.05
_MOST_JOBS = 4


@contextmanager
def serving(layout: StateDir) -> Iterator[str]:
    """Run the PostgreSQL of a stopped stack for the block and yield its URL; create the cluster if there is none.

    The caller holds the supervisor's lock. If this process is killed, the next `up` ends the server.
    """
    port = choose_ports(["postgres"], {})["postgres"]
    password_file = layout.root / "postgres_password"
    password = layout.secret(password_file)
    initialise, server = postgres.parts(layout.postgres_data, password_file, password, port)
    log = layout.logs / "postgres.log"
    if _start(initialise, log, layout).wait() != 0:
        raise DatabaseDidNotStart(f"PostgreSQL did not start: {last_words(log)}")
    process = _start(server, log, layout)
    try:
        _wait_until_ready(server, process, log)
        yield postgres.database_url(password, port)
    finally:
        process.send_signal(server.stop_signal)
        try:
            process.wait(server.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(part: PartSpec, log: Path, layout: StateDir) -> subprocess.Popen[bytes]:
    environment = {**os.environ, MARKER: str(layout.root)}
    with log.open("ab") as output:
        return subprocess.Popen(
            part.argv, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _wait_until_ready(server: PartSpec, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while server.readiness is None or server.readiness.ask() is not Answer.READY:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DatabaseDidNotStart(f"PostgreSQL did not start: {last_words(log)}")
        time.sleep(_POLL_SECONDS)


def dump_database(url: str, snapshot: str, target: Path) -> None:
    """Write the rows of an exported snapshot with their schema to a file in the format of `pg_restore`.

    Owners and grants are left out: the roles of another cluster differ. The backup is compressed as a whole.
    """
    options = ("--format=custom", "--compress=none", "--no-owner", "--no-privileges", f"--snapshot={snapshot}")
    _run("pg_dump", url, *options, f"--file={target}")


def load_database(url: str, source: Path) -> None:
    """Restore a dump into an empty database. A failure leaves it half filled."""
    jobs = min(_MOST_JOBS, os.cpu_count() or 1)
    _run("pg_restore", url, "--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={jobs}", str(source))


def _run(program: str, url: str, *arguments: str) -> None:
    address = make_url(url)
    connection = {
        "PGHOST": address.host,
        "PGPORT": str(address.port),
        "PGUSER": address.username,
        "PGPASSWORD": address.password,
        "PGDATABASE": address.database,
    }
    environment = {**os.environ, **{name: value for name, value in connection.items() if value}}
    database = ("--dbname", address.database or "") if program == "pg_restore" else ()
    command = (str(postgres.binaries() / program), *database, *arguments)
    done = subprocess.run(command, env=environment, check=False, text=True, errors="replace", stderr=subprocess.PIPE)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "error:" in line), lines[0] if lines else "")
        raise DatabaseToolFailed(f"{program} exited with {done.returncode}: {reason}")
