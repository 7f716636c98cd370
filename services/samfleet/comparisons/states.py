"""States of comparisons, and the only function that changes them. A trigger refuses all other transitions."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func

from samfleet.db.models import Comparison, ComparisonState
from samfleet.jobs.states import TransitionForbidden

COMPARISON_TRANSITIONS: Mapping[ComparisonState, frozenset[ComparisonState]] = {
    ComparisonState.QUEUED: frozenset({ComparisonState.RUNNING, ComparisonState.FAILED}),
    # queued: the store did not respond, or the worker fell silent
    ComparisonState.RUNNING: frozenset({ComparisonState.QUEUED, ComparisonState.COMPLETED, ComparisonState.FAILED}),
    ComparisonState.COMPLETED: frozenset(),
    ComparisonState.FAILED: frozenset(),
}
COMPARISON_ENDED = (ComparisonState.COMPLETED, ComparisonState.FAILED)


def move_comparison(comparison: Comparison, state: ComparisonState) -> None:
    """Change the state of a locked comparison. Raises `TransitionForbidden`."""
    if state not in COMPARISON_TRANSITIONS[comparison.state]:
        now = comparison.state.value
        raise TransitionForbidden(f"comparison {comparison.id} is {now} and cannot become {state.value}")
    comparison.state = state
    if state is ComparisonState.RUNNING and comparison.started_at is None:
        comparison.started_at = func.now()
    if state in COMPARISON_ENDED:
        comparison.finished_at = func.now()


def fail_comparison(comparison: Comparison, code: str, message: str) -> None:
    """End a locked comparison that is not complete."""
    move_comparison(comparison, ComparisonState.FAILED)
    comparison.error_code, comparison.error_message = code, message
