"""The embedded stack without Triton and workers: `python -m benchmarks.scale.stack` is its supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from samfleet.config import Settings
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.plan import StackPlan, make_plan
from samfleet_cli.local_stack.run import run_plan
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.stack import stop_stack, wait_until_ready
from samfleet_cli.local_stack.state import StackInfo

POOL = "local"
NOWHERE = "127.0.0.1:9"  # the port of the discard protocol: nothing asks for a model
STOP_SECONDS = 60


@contextmanager
def stack_without_workers(state_dir: Path) -> Iterator[StackInfo]:
    environment = {
        **os.environ,
        "SAMFLEET_STATE_DIR": str(state_dir),
        "SAMFLEET_POOLS": json.dumps({POOL: [NOWHERE]}),
        "SAMFLEET_REQUESTS_PER_MINUTE": str(10**9),
    }
    supervisor = subprocess.Popen([sys.executable, "-m", __name__], env=environment)  # noqa: S603 - our own module
    try:
        _wait_for_lock(state_dir, supervisor)
        yield wait_until_ready(state_dir)
    finally:
        stop_stack(state_dir)
        supervisor.wait(STOP_SECONDS)


def _wait_for_lock(state_dir: Path, supervisor: subprocess.Popen[bytes]) -> None:
    """Wait until the supervisor has written its state, before which the stack counts as stopped."""
    layout = StateDir(state_dir.resolve())
    while not layout.state_file.exists():
        try:
            supervisor.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise SystemExit("the stack's supervisor ended at once; its output says why")


def plan(settings: Settings, stack: StackSettings, ports: Mapping[str, int]) -> StackPlan:
    whole = make_plan(settings, stack, ports)
    return replace(whole, parts=tuple(part for part in whole.parts if not part.name.startswith("worker")))


def main() -> None:
    settings, stack = Settings(), StackSettings()
    state_dir = StateDir(stack.state_dir.resolve())
    sys.exit(0 if run_plan(state_dir, lambda ports: plan(settings, stack, ports)) else 1)


if __name__ == "__main__":
    main()
