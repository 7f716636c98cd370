"""Run a stack in this process. `python -m samfleet_cli.local_stack.run` is the detached supervisor."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

from samfleet.config import Settings
from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import add_variants_of
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.child import BackOff, Child
from samfleet_cli.local_stack.container_engine import remove_recorded
from samfleet_cli.local_stack.joining import plan_of
from samfleet_cli.local_stack.layout import OTHERS, StateDir
from samfleet_cli.local_stack.leftovers import clear_leftovers
from samfleet_cli.local_stack.part import PartState, PartStatus
from samfleet_cli.local_stack.plan import StackPlan
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.state import StackInfo, StackState, read_state, write_state
from samfleet_cli.local_stack.supervisor import Supervisor

Planner = Callable[[dict[str, int]], StackPlan]
StatusListener = Callable[[StackInfo, Sequence[PartStatus]], None]


def run_stack(settings: Settings, stack: StackSettings, on_change: StatusListener | None = None) -> bool:
    """Run until SIGINT, SIGTERM or SIGHUP. Returns True if it ended on request. Raises `StackAlreadyRuns`."""
    return run_plan(StateDir(stack.state_dir.resolve()), lambda ports: plan_of(settings, stack, ports), on_change)


def run_plan(
    state_dir: StateDir, planner: Planner, on_change: StatusListener | None = None, back_off: BackOff | None = None
) -> bool:
    """Run any plan like `run_stack`. `planner` gets the ports of the last run; it is called under the lock, after the
    processes of an earlier run have ended.
    """
    os.umask(OTHERS)  # for all files of this process and the parts
    state_dir.create()
    with lock.supervise(state_dir.lock_file) as identity:
        clear_leftovers(state_dir)
        former = read_state(state_dir.state_file)
        plan = planner(dict(former.ports) if former else {})
        external = [
            PartStatus(part.name, PartState.EXTERNAL, None, 0, None, "", part.address) for part in plan.external
        ]

        def record(children: Sequence[Child]) -> None:
            parts = [*external, *(child.status for child in children)]
            living = [child.identity for child in children if child.identity]
            write_state(state_dir.state_file, StackState(identity, plan.info, plan.ports, parts, living))
            if on_change:
                on_change(plan.info, parts)

        supervisor = Supervisor(
            plan.parts, state_dir=state_dir.root, logs=state_dir.logs, on_change=record, back_off=back_off
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: supervisor.request_stop())
        try:
            return supervisor.run()
        finally:
            remove_recorded(state_dir)
            state_dir.remove_temporary()


def main() -> None:
    settings = Settings()
    add_variants_of(settings.variants_dir)
    try:
        sys.exit(0 if run_stack(settings, StackSettings()) else 1)
    except SamfleetError as error:
        sys.exit(f"samfleet: {error.message} [{error.code}]")


if __name__ == "__main__":
    main()
