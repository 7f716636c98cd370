"""Indexes of tables with rows, built in a migration while other processes read and write them.

`CREATE INDEX` blocks writes until the transaction ends, on a large table for minutes. `CREATE INDEX CONCURRENTLY` does
not, but it cannot run in a transaction, and leaves an invalid index behind if it is interrupted. So a migration that
calls `build_index` does nothing else: whatever it did before would already be committed when it is run again.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op
from sqlalchemy import Connection, TextClause, text

_INVALID = text("""
    SELECT EXISTS (
        SELECT FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indexrelid
        WHERE pg_class.relname = :name AND pg_table_is_visible(pg_class.oid) AND NOT pg_index.indisvalid
    )
""")


def build_index(name: str, table: str, columns: Sequence[str | TextClause], *, where: str | None = None) -> None:
    """Build the index unless it is there; replace what an interrupted build has left.

    It waits for transactions that began before and may see the table, such as a backup, without blocking others.
    """
    with op.get_context().autocommit_block():
        if _is_invalid(op.get_bind(), name):
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
        condition = None if where is None else text(where)
        op.create_index(
            name, table, list(columns), postgresql_where=condition, postgresql_concurrently=True, if_not_exists=True
        )


def _is_invalid(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(_INVALID, {"name": name}))
