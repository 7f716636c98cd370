"""Reasons why running runs make no progress."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from samfleet.db.models import Run, RunState
from samfleet.jobs.states import is_final
from samfleet_api.pools.repository import FRESH, last_signs
from samfleet_api.runs.schemas import Stalled

POOL_WITHOUT_WORKER = "pool_without_worker"


def stalled_runs(session: Session, runs: Sequence[Run]) -> Mapping[uuid.UUID, Stalled]:
    """Return the reasons of stalled runs by run id. A missing worker takes precedence over a worker's last reason."""
    waiting = {run.pool for run in runs if run.state is RunState.RUNNING}
    signs = last_signs(session, waiting) if waiting else {}
    found = {}
    for run in runs:
        sign = signs.get(run.pool)
        if run.state is RunState.RUNNING and (sign is None or not sign.fresh):
            message = f"no worker of pool {run.pool} has sent a heartbeat for {FRESH.seconds} s; start one"
            since = sign.seen_at if sign else run.created_at
            found[run.id] = Stalled(code=POOL_WITHOUT_WORKER, message=message, since=since)
        elif run.stalled_code and run.stalled_since and not is_final(run.state):
            found[run.id] = Stalled(code=run.stalled_code, message=run.stalled_message or "", since=run.stalled_since)
    return found
