"""A pull as a worker does it: the transfer, with its progress in the database."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, update

from samfleet.db.models import PullState, WeightPull
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.logging import get_logger
from samfleet.pulls.request import OPEN
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.fit import fit_check
from samfleet.variants.weights.pins import WeightsUnpinned, known_sha256
from samfleet.variants.weights.progress import PullCancelled
from samfleet.variants.weights.pull import Check, pull

MOST_CLAIMS = 3  # more mean that the pull ends its worker
SHOWN_EVERY_SECONDS = 1.0
log = get_logger(__name__)


class PullFailed(SamfleetError):
    """The weights could not be fetched for an unforeseen reason; the log of the control worker has it."""

    code = "pull_failed"


def run_pull(engine: Engine, record: VariantRecord, weights_dir: Path, accepted: Collection[str]) -> None:
    """Fetch the weights of a queued pull and record the end. A pull in another state stays unchanged, and one that is
    cancelled meanwhile ends.
    """
    claimed = _claim(engine, record.name)
    if claimed is None:
        return
    claims, requested_at = claimed
    finish = partial(_finish, engine, record.name, requested_at)
    try:
        _require_few(claims)
        progress = RecordedProgress(engine, record.name, requested_at)
        check = _check(record, weights_dir)
        pull(record, weights_dir, progress=progress, accepted=accepted, check=check)
    except PullCancelled:
        log.info("pull.cancelled", variant=record.name)
    except SamfleetError as error:
        log.warning("pull.failed", variant=record.name, code=error.code, reason=error.message)
        finish(PullState.FAILED, error_code=error.code, error_message=error.message)
    except Exception:
        failed = PullFailed()
        finish(PullState.FAILED, error_code=failed.code, error_message=failed.message)
        raise
    else:
        finish(PullState.COMPLETED)


def _require_few(claims: int) -> None:
    if claims > MOST_CLAIMS:
        raise PullFailed(f"the worker that fetched the weights ended {MOST_CLAIMS} times")


def _check(record: VariantRecord, weights_dir: Path) -> Check | None:
    """Return the check of files without a published hash. Without torch these are refused: nothing would check them."""
    check = fit_check(record, weights_dir)
    unknown = [one.filename for one in record.files.values() if known_sha256(one, weights_dir) is None]
    if check is None and unknown:
        raise WeightsUnpinned(
            f"no sha256 of {', '.join(unknown)} is published, and this server has no torch to check it against the "
            f"network; run `samfleet variants pull {record.name}` where torch is installed"
        )
    return check


def _claim(engine: Engine, variant: str) -> tuple[int, datetime] | None:
    """Return the number of workers that began the pull, this one included, and the time of its request."""
    queued = WeightPull.variant == variant, WeightPull.state == PullState.QUEUED
    values = {"state": PullState.RUNNING, "claims": WeightPull.claims + 1, "seen_at": func.now()}
    with transaction(engine) as session:
        statement = update(WeightPull).where(*queued).values(values)
        row = session.execute(statement.returning(WeightPull.claims, WeightPull.requested_at)).one_or_none()
        return None if row is None else (row.claims, row.requested_at)


def _finish(engine: Engine, variant: str, requested_at: datetime, state: PullState, **values: Any) -> None:
    """Record the end of a pull, unless it was cancelled: another one may be running since."""
    mine = WeightPull.variant == variant, WeightPull.requested_at == requested_at
    ended = {"state": state, "finished_at": func.now(), "seen_at": func.now(), **values}
    with transaction(engine) as session:
        session.execute(update(WeightPull).where(*mine, WeightPull.state == PullState.RUNNING).values(ended))


class RecordedProgress:
    """Progress in the row of the pull, at most once a second. Each change is a sign of life.

    Raises `PullCancelled` if the pull was cancelled, also if another one was requested since `requested_at`.
    """

    def __init__(self, engine: Engine, variant: str, requested_at: datetime) -> None:
        self._engine, self._variant, self._requested_at = engine, variant, requested_at
        self._done = 0
        self._shown_at = 0.0

    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        self._done = done_bytes
        self._show(file=what, total_bytes=total_bytes)

    def advance(self, count_bytes: int) -> None:
        self._done += count_bytes
        if time.monotonic() - self._shown_at >= SHOWN_EVERY_SECONDS:
            self._show()

    def pinned(self, filename: str, sha256: str) -> None:
        log.info("pull.pinned", variant=self._variant, file=filename, sha256=sha256)

    def _show(self, **values: Any) -> None:
        self._shown_at = time.monotonic()
        with transaction(self._engine) as session:
            mine = WeightPull.variant == self._variant, WeightPull.requested_at == self._requested_at
            statement = update(WeightPull).where(*mine, WeightPull.state.in_(OPEN)).returning(WeightPull.id)
            shown = session.scalars(statement.values(done_bytes=self._done, seen_at=func.now(), **values)).first()
        if shown is None:
            raise PullCancelled
