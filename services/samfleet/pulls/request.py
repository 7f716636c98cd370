"""Requests for pulls: what is refused, and what one request at a time starts."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import PullState, WeightPull
from samfleet.errors import Conflict, Forbidden, TooManyRequests
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.verify import has_weights

OPEN = (PullState.QUEUED, PullState.RUNNING)
MOST_PULLS = 2  # at a time; the control worker has four threads, and planning must go on
RETRY_AFTER_SECONDS = 30.0
SILENT_AFTER = timedelta(minutes=2)  # a worker shows that it lives every second, but not while it checks a file
_LOCK = 7_236_602  # advisory lock of all requests for pulls


class PullsForbidden(Forbidden):
    """This server fetches no weights for requests (SAMFLEET_ALLOW_PULLS); ask its operator for the variant."""

    code = "pulls_forbidden"


class PullNotPossible(Conflict):
    """The server cannot write its weights folder; run `samfleet variants pull NAME` where the folder can be written."""

    code = "pull_not_possible"


class WeightsPresent(Conflict):
    """The weights are here already."""

    code = "weights_present"


class TooManyPulls(TooManyRequests):
    """Other weights are being fetched; try again when one is done."""

    code = "too_many_pulls"


def require_pullable(record: VariantRecord, weights_dir: Path, accepted: Collection[str], *, allowed: bool) -> None:
    """Raise if this server may not or cannot fetch the weights, or has them."""
    if not allowed:
        raise PullsForbidden
    record.require_accepted(accepted)
    if not weights_dir.is_dir() or not os.access(weights_dir, os.W_OK | os.X_OK):
        raise PullNotPossible(
            f"the weights folder {weights_dir} cannot be written by this server; run `samfleet variants pull "
            f"{record.name}` where it can be written, in containers `docker compose run --rm weights samfleet variants "
            f"pull {record.name}`, in the Helm chart name it in weights.also"
        )
    if has_weights(weights_dir, record):
        raise WeightsPresent(f"the weights of {record.name} are in {weights_dir} already")


def request_pull(session: Session, queue: TaskQueue, variant: str) -> tuple[WeightPull, bool]:
    """Start a pull after the commit, unless one of this variant is under way; return it, and True if it is new."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    alive = WeightPull.state.in_(OPEN), WeightPull.seen_at > func.now() - SILENT_AFTER
    running = session.scalars(select(WeightPull).where(*alive)).all()
    if (same := next((pull for pull in running if pull.variant == variant), None)) is not None:
        return same, False
    if len(running) >= MOST_PULLS:
        names = ", ".join(sorted(pull.variant for pull in running))
        raise TooManyPulls(
            f"weights of {names} are being fetched; try again when one is done", retry_after_seconds=RETRY_AFTER_SECONDS
        )
    pull = session.scalars(select(WeightPull).where(WeightPull.variant == variant).with_for_update()).one_or_none()
    if pull is None:
        pull = WeightPull(id=uuid.uuid4(), variant=variant)
        session.add(pull)
    pull.state, pull.file, pull.done_bytes, pull.total_bytes = PullState.QUEUED, None, 0, None
    pull.error_code = pull.error_message = pull.finished_at = None
    pull.claims, pull.requested_at, pull.seen_at = 0, func.now(), func.now()
    session.flush()
    session.refresh(pull)
    wake_after_commit(session, queue, TaskName.PULL, variant)
    return pull, True


def cancel_pull(session: Session, variant: str) -> bool:
    """Cancel the pull of a variant that is under way; return False if there is none.

    The worker stops at its next sign of progress, and removes the unfinished file.
    """
    under_way = WeightPull.variant == variant, WeightPull.state.in_(OPEN)
    statement = update(WeightPull).where(*under_way).values(state=PullState.CANCELLED, finished_at=func.now())
    return session.scalars(statement.returning(WeightPull.id)).first() is not None


def resend_pulls(session: Session, queue: TaskQueue) -> int:
    """Send the task of pulls without a sign of life again; return their number."""
    silent = WeightPull.state.in_(OPEN), WeightPull.seen_at <= func.now() - SILENT_AFTER
    found = session.scalars(select(WeightPull).where(*silent).with_for_update(skip_locked=True)).all()
    for pull in found:
        pull.state, pull.seen_at = PullState.QUEUED, func.now()
        wake_after_commit(session, queue, TaskName.PULL, pull.variant)
    session.flush()
    return len(found)
