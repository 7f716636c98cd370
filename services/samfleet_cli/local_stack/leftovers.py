"""Processes of a stack that its killed supervisor has left."""

from __future__ import annotations

from samfleet.process_identity import ProcessIdentity
from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.container_engine import remove_recorded
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.state import read_state


def clear_leftovers(state_dir: StateDir) -> int:
    """End processes that a killed supervisor has left, remove its container, and return the number of processes.

    Call it under the lock.
    """
    found = leftovers(state_dir)
    processes.end(found, grace_seconds=10.0)
    remove_recorded(state_dir)
    return len(found)


def leftovers(state_dir: StateDir) -> list[ProcessIdentity]:
    """Return live processes of this directory's stack, found by the state file or by their environment."""
    state = read_state(state_dir.state_file)
    recorded = [process for process in (state.processes if state else ()) if process.is_alive()]
    below = [process for leader in recorded for process in processes.descendants(leader.pid)]
    return list(dict.fromkeys((*recorded, *below, *processes.belonging_to(state_dir.root))))
