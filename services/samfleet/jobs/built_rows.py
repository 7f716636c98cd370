"""Rows that a task of the control worker builds once, exactly one worker at a time: exports and comparisons.

A row is queued, running, then completed or failed; a trigger refuses all other changes. A claim increases its token,
which fences off a worker that lost the row. A worker shows that it lives by `sent_at`. The sweep sends a queued row
again that no worker took, and queues one again whose worker fell silent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Engine, Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Comparison, Export
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError, describe
from samfleet.jobs.abandon import DATABASE_AWAY
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.states import TransitionForbidden
from samfleet.logging import get_logger
from samfleet.storage.store import StorageFull

SILENT_AFTER = timedelta(minutes=2)  # a worker shows that it lives every few seconds
MOST_LOST = 3  # workers that fell silent; more mean that the row kills them by running out of memory
MOST_AT_ONCE = 100

Row = TypeVar("Row", Export, Comparison)

log = get_logger(__name__)


class ClaimLost(Exception):
    """The row was deleted, or another worker has claimed it."""


class Claimed(Protocol):
    """A claimed row, as its worker knows it."""

    @property
    def id(self) -> uuid.UUID: ...

    @property
    def token(self) -> int: ...


@dataclass(frozen=True, slots=True)
class BuiltRows(Generic[Row]):
    """A table of such rows. `states` are those of its column, with the names QUEUED, RUNNING, COMPLETED and FAILED.

    `noun` names a row, and `verb` what a worker does with it, in the past tense. `failure` is the error of a row that
    fails for no other reason, and `left` says what is left then. If a later claim `continues` the work, the first
    claim stays the start.
    """

    table: type[Row]
    states: Any
    task: TaskName
    noun: str
    verb: str
    left: str
    failure: type[SamfleetError]
    continues: bool = False

    @property
    def transitions(self) -> Mapping[Any, frozenset[Any]]:
        queued, running, completed, failed = (
            self.states[name] for name in ("QUEUED", "RUNNING", "COMPLETED", "FAILED")
        )
        return {
            queued: frozenset({running, failed}),
            running: frozenset({queued, completed, failed}),  # queued: no answer of the store, or a silent worker
            completed: frozenset(),
            failed: frozenset(),
        }

    def move(self, row: Row, state: Any) -> None:
        """Change the state of a locked row. Raises `TransitionForbidden`."""
        now: Any = row.state
        if state not in self.transitions[now]:
            raise TransitionForbidden(f"{self.noun} {row.id} is {now.value} and cannot become {state.value}")
        row.state = state
        if state is self.states.RUNNING and not (self.continues and row.started_at):
            row.started_at = func.now()
        if state in {self.states.COMPLETED, self.states.FAILED}:
            row.finished_at = func.now()

    def fail(self, row: Row, code: str, message: str) -> None:
        """End a locked row that is not complete."""
        self.move(row, self.states.FAILED)
        row.error_code, row.error_message = code, message

    def held(self, claimed: Claimed) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions under which the row is still this worker's."""
        table: Any = self.table
        return table.id == claimed.id, table.token == claimed.token, table.state == self.states.RUNNING

    def lock(self, session: Session, claimed: Claimed) -> Row | None:
        """Lock the row and return it; None if it is no longer this worker's."""
        return session.scalars(select(self.table).where(*self.held(claimed)).with_for_update()).one_or_none()

    def build(self, engine: Engine, claimed: Claimed, work: Callable[[], None]) -> None:
        """Do the work for a claimed row. It ends the row itself, or raises `ClaimLost`.

        A store that does not respond leaves the row queued, and its error is raised. A full store fails the row, and so
        does every other error; an unexpected one is raised too.
        """
        try:
            work()
        except ClaimLost:
            self._say(claimed, "lost", log.info)
        except DATABASE_AWAY:
            raise  # the sweep finds the silent row
        except SamfleetError as error:
            if error.retryable and not isinstance(error, StorageFull):
                self._release(engine, claimed)
                raise
            self._fail_claimed(engine, claimed, error.code, error.message)
        except Exception as error:
            reason = f"the {self.noun} could not be {self.verb}: {describe(error)}"
            self._fail_claimed(engine, claimed, self.failure.code, reason)
            raise

    def sweep(self, session: Session, queue: TaskQueue, resend_after: timedelta) -> int:
        """Return the number of rows that are sent again after the commit."""
        table: Any = self.table
        silent = table.state == self.states.RUNNING, table.sent_at < func.now() - SILENT_AFTER
        for row in session.scalars(self._free(*silent)).all():
            self._queue_again(row)
        session.flush()
        stale = table.state == self.states.QUEUED, table.sent_at < func.now() - resend_after
        sent = session.scalars(self._free(*stale)).all()
        for row in sent:
            row.sent_at = func.now()
            wake_after_commit(session, queue, self.task, str(row.id), correlation=row.correlation_id)
        session.flush()
        return len(sent)

    def _queue_again(self, row: Row) -> None:
        row.lost += 1
        if row.lost >= MOST_LOST:
            times = f"the worker that {self.verb} the {self.noun} fell silent {MOST_LOST} times"
            self.fail(row, self.failure.code, f"{times}; {self.left}")
        else:
            self.move(row, self.states.QUEUED)

    def _free(self, *conditions: ColumnElement[bool]) -> Select[Row]:
        table: Any = self.table
        rows: Select[Row] = select(table).where(*conditions).order_by(table.sent_at)
        return rows.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)

    def _release(self, engine: Engine, claimed: Claimed) -> None:
        """Queue the row again; the sweep sends it. Does nothing if the claim is lost."""
        with transaction(engine) as session:
            if (row := self.lock(session, claimed)) is not None:
                self.move(row, self.states.QUEUED)
                row.sent_at = func.now()

    def _fail_claimed(self, engine: Engine, claimed: Claimed, code: str, message: str) -> None:
        """End the row with an error. Does nothing if the claim is lost."""
        self._say(claimed, "failed", log.warning, code=code, reason=message)
        with transaction(engine) as session:
            if (row := self.lock(session, claimed)) is not None:
                self.fail(row, code, message)

    def _say(self, claimed: Claimed, event: str, write: Callable[..., object], **fields: str) -> None:
        write(f"{self.noun}.{event}", **{f"{self.noun}_id": str(claimed.id)}, **fields)
