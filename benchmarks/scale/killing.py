"""The control worker killed while it lists a dataset; the supervisor starts it again."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from samfleet_cli.local_stack.stack import stack_status

PART = "control"


@dataclass(slots=True)
class KillOnce:
    """Kill the control worker when the first progress is visible. `entries` is what had been listed by then."""

    state_dir: Path
    entries: int | None = None

    def __call__(self, entries: int) -> None:
        if self.entries is not None or not entries:
            return
        pid = next(part.pid for part in stack_status(self.state_dir).parts if part.name == PART)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.entries = entries
