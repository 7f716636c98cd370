"""Roles of the embedded PostgreSQL, in new clusters and in those of earlier releases."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from fixtures.servers.triton import free_ports
from samfleet_cli.local_stack import postgres, unprivileged
from samfleet_cli.local_stack.layout import StateDir

SECONDS = 30


@contextmanager
def serving(data: Path, password_file: Path) -> Iterator[str]:
    """Run the server of this cluster and yield the connection string of the role."""
    (port,) = free_ports(1)
    password = password_file.read_text()
    _, part = postgres.parts(data, password_file, password, port)
    with subprocess.Popen(part.argv, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"host=127.0.0.1 port={port} dbname=samfleet user=samfleet password={password}"
        finally:
            server.send_signal(part.stop_signal)


def connected(conninfo: str) -> psycopg.Connection:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return psycopg.connect(conninfo, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)


@pytest.fixture
def layout(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state")
    made.create()
    return made


@pytest.fixture
def password_file(layout: StateDir) -> Path:
    path = layout.root / "postgres_password"
    layout.secret(path)
    return path


def make_old_cluster(data: Path, password_file: Path) -> None:
    """Create a cluster as in earlier releases: its only role is initdb's and has all rights."""
    data.mkdir(mode=0o700)
    handed = data.with_suffix(".password")
    handed.write_text(password_file.read_text())
    unprivileged.give(data)
    unprivileged.give(handed)
    binaries = postgres.binaries()
    initdb = (str(binaries / "initdb"), "-D", str(data), "-U", "samfleet", "--auth=scram-sha-256", f"--pwfile={handed}")
    subprocess.run(
        unprivileged.command((*initdb, "--encoding=UTF8", "--locale=C", "--no-instructions")),
        check=True,
        capture_output=True,
    )
    single = (str(binaries / "postgres"), "--single", "-j", "-D", str(data))
    for database, statement in (
        ("postgres", "CREATE DATABASE samfleet"),
        ("samfleet", "CREATE TABLE kept (id bigserial PRIMARY KEY, name text)"),
        ("samfleet", "INSERT INTO kept (name) VALUES ('before')"),
        ("samfleet", "CREATE VIEW seen AS SELECT name FROM kept"),
    ):
        command = unprivileged.command((*single, database))
        subprocess.run(command, input=f"{statement};\n\n", text=True, check=True, capture_output=True)


def check_rights(connection: psycopg.Connection) -> None:
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert connection.execute(rights).fetchone() == (False, False, False, False)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
    connection.execute("CREATE TABLE made_by_a_migration (id integer)")


def test_the_role_of_a_new_cluster_has_no_rights_beyond_its_database(layout: StateDir, password_file: Path) -> None:
    postgres.initialise_cluster(layout.postgres_data, password_file)
    with serving(layout.postgres_data, password_file) as conninfo, connected(conninfo) as connection:
        check_rights(connection)


def test_the_role_of_an_old_cluster_loses_its_rights_and_keeps_its_data(layout: StateDir, password_file: Path) -> None:
    make_old_cluster(layout.postgres_data, password_file)
    for _ in range(2):  # the second start has nothing to do
        postgres.initialise_cluster(layout.postgres_data, password_file)
    with serving(layout.postgres_data, password_file) as conninfo, connected(conninfo) as connection:
        check_rights(connection)
        connection.execute("INSERT INTO kept (name) VALUES ('after')")
        connection.execute("ALTER TABLE kept ADD COLUMN more integer")
        assert connection.execute("SELECT name FROM seen ORDER BY name").fetchall() == [("after",), ("before",)]
