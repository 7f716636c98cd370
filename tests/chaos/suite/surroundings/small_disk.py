"""An object store on a small disk that the suite fills and frees."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from chaos.suite.failure import wait_for
from chaos.suite.job import has_open_shards
from chaos.suite.surroundings.surrounding import EVERYWHERE, NotPossibleHere, Place, Surroundings
from fixtures.servers.chaos_stack import ChaosStack, closing_engine
from samfleet.db.session import read_only
from samfleet.storage.store import StorageFull

SIZE = "64m"
CHUNK = bytes(1 << 20)
REFUSED_SECONDS = 120.0
RETURNED = "SELECT coalesce(sum(waits), 0) FROM shards WHERE last_error LIKE :code"
RETURNS = 3  # shards that failed to be written and went back, before the disk has space again


@contextmanager
def small_disk(place: Place) -> Iterator[Surroundings]:
    """Surroundings whose store is a tmpfs of `SIZE`; only root may mount one."""
    disk = place.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        raise NotPossibleHere(f"needs a mounted tmpfs: {mounted.stderr.strip()}")
    filler = disk / "filler"

    def fill(stack: ChaosStack, _target: str) -> bool:
        """Fill the disk until shards have gone back for that reason, then free it."""
        before = _returned(stack)
        try:
            with filler.open("wb", buffering=0) as file:
                _write_until_full(file.write)

            def seen() -> bool:
                return _returned(stack) >= before + RETURNS or not has_open_shards(stack)

            wait_for("shards that find the disk full", seen, REFUSED_SECONDS)
        finally:
            filler.unlink()
        return _returned(stack) >= before + RETURNS

    try:
        yield Surroundings({"SAMFLEET_STORAGE_URL": (disk / "store").as_uri()}, {**EVERYWHERE, "fill": fill})
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _write_until_full(write: Callable[[bytes], int]) -> None:
    """Write until the disk has no page left."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        while True:
            write(CHUNK)


def _returned(stack: ChaosStack) -> int:
    """Return how often shards went back because the disk was full."""
    with closing_engine(stack.samfleet.info.database_url) as engine, read_only(engine) as session:
        return int(session.execute(text(RETURNED), {"code": f"{StorageFull.code}%"}).scalar_one())
