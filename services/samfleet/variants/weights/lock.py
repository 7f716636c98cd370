from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samfleet.variants.weights.disk import disk_errors


@contextmanager
def file_lock(target: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel drops it with the process. The lock file stays: removing it would
    let two processes hold locks on two files of one name.
    """
    path = target.with_name(f".{target.name}.lock")
    with disk_errors(path):
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
