"""A hold on the deletion of objects, which a backup takes while it copies those that its snapshot names.

Code that deletes objects that a row may have named asks here, in the block that also decides which they are. A backup
waits for deletions in progress, and its snapshot, taken under the hold, names no object that one of them deletes.
An object that is not deleted for this reason stays for the next clean-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from samfleet.db.locks import queued_process_lock, try_process_lock

LOCK = "samfleet objects"


@contextmanager
def hold_objects(engine: Engine) -> Iterator[None]:
    """Keep every process from deleting objects for the block. Waits for deletions in progress."""
    with queued_process_lock(engine, LOCK):
        yield


@contextmanager
def may_delete_objects(engine: Engine) -> Iterator[bool]:
    """Yield False if objects are held; otherwise no hold begins before the end of the block."""
    with try_process_lock(engine, LOCK, shared=True) as allowed:
        yield allowed
