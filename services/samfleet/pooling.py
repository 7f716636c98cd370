from __future__ import annotations

from enum import StrEnum


class Pooling(StrEnum):
    """Kind of a connection to SAMFLEET_DATABASE_URL, which decides what may outlive a transaction on it."""

    SESSION = "session"  # a session of PostgreSQL: the server itself, or a pooler of sessions
    TRANSACTION = "transaction"  # a pooler that gives each transaction any session, such as PgBouncer
