"""CPU time and memory of the parts of a running stack, each with all processes below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from samfleet_cli.local_stack.stack import stack_status

MIB = 2**20
STUB = "triton_python_backend_stub"
SHARING = "postgres"  # its processes all map the same buffers, whose size is a setting


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start of each process, and resident memory, by part. `stub` is Triton's Python process.

    PostgreSQL's processes count by their private memory.
    """

    cpu_seconds: Mapping[str, float]
    mib: Mapping[str, float]

    @classmethod
    def read(cls, state_dir: Path) -> Self:
        cpu: dict[str, float] = {}
        mib: dict[str, float] = {}
        for name, process in _processes(state_dir):
            try:
                times = process.cpu_times()
                memory = process.memory_full_info().uss if name == SHARING else process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            spent = times.user + times.system + times.children_user + times.children_system
            cpu[name] = cpu.get(name, 0.0) + spent
            mib[name] = mib.get(name, 0.0) + memory / MIB
        return cls(cpu, mib)

    def per_image_ms(self, before: Usage, images: int) -> dict[str, float]:
        """Return the milliseconds of CPU for each image since `before`, by part."""
        return {
            name: round(1e3 * (seconds - before.cpu_seconds.get(name, 0.0)) / images, 3)
            for name, seconds in self.cpu_seconds.items()
        }


def _processes(state_dir: Path) -> Iterator[tuple[str, psutil.Process]]:
    for part in stack_status(state_dir).parts:
        if part.pid is None:
            continue
        top = psutil.Process(part.pid)
        yield part.name, top
        for process in top.children(recursive=True):
            yield ("stub" if STUB in process.name() or STUB in " ".join(process.cmdline()) else part.name), process
