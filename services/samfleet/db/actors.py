"""Actors: who changes a job. The key of a request, or a task of the system.

The actor belongs to the context of a request or a task, so that the functions in between do not pass it on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SYSTEM = "system"

_current: ContextVar[str] = ContextVar("samfleet_actor", default=SYSTEM)


def current_actor() -> str:
    """Return `key:<id>` or `system:<task>`; `system` outside of requests and tasks."""
    return _current.get()


def act_for_key(key_id: uuid.UUID) -> None:
    """Set the key as the actor until the end of the current context, which is that of one request."""
    _current.set(f"key:{key_id}")


@contextmanager
def acting_as_task(name: str) -> Iterator[None]:
    """Set a task of the system as the actor."""
    token = _current.set(f"{SYSTEM}:{name}")
    try:
        yield
    finally:
        _current.reset(token)
