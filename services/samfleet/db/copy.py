from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from samfleet.db.base import Base


def copy_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by COPY, in one message for all; an INSERT sends, plans and answers each of them.

    All rows have the columns of the first. Errors are those of `Session.execute`.
    """
    if not rows:
        return
    columns = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model.__tablename__), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(_plain(row[column] for column in columns))
    except psycopg.Error as error:
        lost = _is_lost(driver)
        if lost:
            connection.invalidate(error)
        found = psycopg.OperationalError(str(error)) if lost else error
        raise DBAPIError.instance(
            f"COPY {model.__tablename__}", None, found, psycopg.Error, connection_invalidated=lost
        ) from error


def _is_lost(driver: psycopg.Connection[Any]) -> bool:
    """Return True if the server's session is gone.

    A pooler says so with an error instead of the reply to COPY, which the driver takes for misuse, and closes the
    connection afterwards. A session that is still there refuses statements because its transaction has failed.
    """
    if not driver.closed:
        with suppress(psycopg.errors.InFailedSqlTransaction, psycopg.OperationalError):
            driver.execute("SELECT 1")
    return driver.closed


def _plain(values: Iterable[Any]) -> list[Any]:
    return [value.value if isinstance(value, Enum) else value for value in values]
