"""Identity of a process of this machine, so that a reused process id is never confused with the earlier process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with the start time in clock ticks after boot (proc(5), field 22 of stat) and the boot id. Together
    they identify a process uniquely.
    """

    pid: int
    start_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """Return whether the process is alive. Zombies are not: they hold nothing, and may never be reaped."""
        return identify(self.pid) == self


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a process; None if it does not exist or is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    state, start_ticks = fields[0], int(fields[19])
    if state in {"Z", "X"}:
        return None
    return ProcessIdentity(pid, start_ticks, _boot_id())


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
