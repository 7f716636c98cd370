"""Peak memory of each process of a stack while something runs.

PostgreSQL's processes count by their private memory, because each of them also maps the same shared buffers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from samfleet_cli.local_stack.stack import stack_status

MIB = 2**20
INTERVAL_SECONDS = 0.25
PRIVATE = ("postgres",)


class PeakMemory:
    """The most MiB of one process of each part, sampled while open. Use it in a `with`."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._most: dict[str, float] = {}

    @property
    def mib(self) -> dict[str, int]:
        return {name: round(mib) for name, mib in sorted(self._most.items())}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            for name, mib in _memory(self._state_dir):
                self._most[name] = max(mib, self._most.get(name, 0.0))


def _memory(state_dir: Path) -> Iterator[tuple[str, float]]:
    """Yield the part and the MiB of each process."""
    for part in stack_status(state_dir).parts:
        if part.pid is None:
            continue
        try:
            top = psutil.Process(part.pid)
            processes = [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in processes:
            try:
                if part.name in PRIVATE:
                    yield part.name, process.memory_full_info().uss / MIB
                else:
                    yield part.name, process.memory_info().rss / MIB
            except psutil.NoSuchProcess:
                continue
