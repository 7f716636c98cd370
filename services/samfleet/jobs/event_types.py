"""Types of the events that webhooks receive, from the tables of states."""

from __future__ import annotations

from samfleet.jobs.states import JOB_TRANSITIONS, RUN_TRANSITIONS
from samfleet.webhooks.outbox import DISABLED

# A state that no transition leads to, such as the first one, causes no event.
EVENT_TYPES: tuple[str, ...] = (
    *dict.fromkeys(f"job.{state.value}" for targets in JOB_TRANSITIONS.values() for state in sorted(targets)),
    *dict.fromkeys(f"run.{state.value}" for targets in RUN_TRANSITIONS.values() for state in sorted(targets)),
    DISABLED,
)
