from __future__ import annotations

from pathlib import Path

from samfleet.wire.device_state import CPU, DeviceState
from samfleet_models.device.memory import CGROUP, MEMORY_INFO, free_host_bytes, total_host_bytes


class HostMeter:
    """A CPU's meter: its memory is the machine's, or the container's limit.

    Its energy is unknown. RAPL's counters (`/sys/class/powercap`) are readable only by root since CVE-2020-8694, and
    they count the work of the whole machine.
    """

    def __init__(self, memory_info: Path = MEMORY_INFO, cgroup: Path = CGROUP) -> None:
        self._memory_info = memory_info
        self._cgroup = cgroup

    def state(self) -> DeviceState:
        try:
            total = total_host_bytes(self._memory_info, self._cgroup)
            used = total - free_host_bytes(self._memory_info, self._cgroup)
        except (OSError, LookupError, ValueError):  # another kernel, or a container that hides these files
            return DeviceState(CPU)
        return DeviceState(CPU, memory_used_bytes=max(0, used), memory_total_bytes=total)

    def joules(self) -> None:
        return None

    def close(self) -> None:
        """Do nothing; nothing was opened."""
