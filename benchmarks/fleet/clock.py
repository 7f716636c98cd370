"""A simulated clock for PostgreSQL, without a change of the code that it times.

All times of the service are `now()` of the database. The path of the database puts the schema `simulated` before
`pg_catalog`, so the name `now` finds a function there that returns a variable of the transaction. A column's default
was bound to PostgreSQL's own clock when its table was created, and stays real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, event, make_url, text

# After the start of any real server: no lease expires before the database has been up for a while.
EPOCH = datetime(2100, 1, 1, tzinfo=UTC)
INSTALL = (
    "CREATE SCHEMA simulated",
    # SQL and stable, like the clock that it replaces: the planner inlines it and uses the same indexes
    """CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.current_setting('simulated.now')::timestamptz $$""",
)


@dataclass(slots=True)
class SimulatedClock:
    """Seconds since the start of the simulation; transactions of an engine that it drives begin at this time."""

    seconds: float = 0.0

    @property
    def time(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    def drive(self, engine: Engine) -> None:
        """Give all transactions of the engine this clock. Needs `install`."""
        event.listen(engine, "begin", self._begin)

    def _begin(self, connection: Connection) -> None:
        # By the driver's own cursor: this statement is not one of the service and is not counted.
        cursor = connection.connection.cursor()
        cursor.execute("SELECT set_config('simulated.now', %s, true)", (self.time.isoformat(),))
        cursor.close()


def install(engine: Engine) -> None:
    """Install the clock in the engine's database; it applies to connections that are opened afterwards."""
    name = make_url(str(engine.url)).database
    with engine.begin() as connection:
        for statement in INSTALL:
            connection.execute(text(statement))
        path = 'ALTER DATABASE "{}" SET search_path = simulated, public, pg_catalog'
        connection.execute(text(path.format(name)))
    engine.dispose()
