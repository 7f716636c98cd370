from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samfleet.variants.weights.disk import disk_errors


@contextmanager
def file_lock(target: Path) -> Iterator[None]:
    """Hold a lock that one process can have at a time; the kernel releases it when the process ends.

    The lock file stays: removing it would let two processes lock two files with the same name.
    """
    path = target.with_name(f".{target.name}.lock")
    with disk_errors(path):
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
