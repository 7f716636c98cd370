"""States of exports, and the only function that changes them. A trigger refuses all other transitions."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func

from samfleet.db.models import Export, ExportState
from samfleet.jobs.states import TransitionForbidden

EXPORT_TRANSITIONS: Mapping[ExportState, frozenset[ExportState]] = {
    ExportState.QUEUED: frozenset({ExportState.RUNNING, ExportState.FAILED}),
    # queued: the store did not respond, or the worker fell silent
    ExportState.RUNNING: frozenset({ExportState.QUEUED, ExportState.COMPLETED, ExportState.FAILED}),
    ExportState.COMPLETED: frozenset(),
    ExportState.FAILED: frozenset(),
}
EXPORT_ENDED = (ExportState.COMPLETED, ExportState.FAILED)


def move_export(export: Export, state: ExportState) -> None:
    """Change the state of a locked export. Raises `TransitionForbidden`."""
    if state not in EXPORT_TRANSITIONS[export.state]:
        raise TransitionForbidden(f"export {export.id} is {export.state.value} and cannot become {state.value}")
    export.state = state
    if state is ExportState.RUNNING:
        export.started_at = func.now()
    if state in EXPORT_ENDED:
        export.finished_at = func.now()


def fail_export(export: Export, code: str, message: str) -> None:
    """End a locked export without a file."""
    move_export(export, ExportState.FAILED)
    export.error_code, export.error_message = code, message
