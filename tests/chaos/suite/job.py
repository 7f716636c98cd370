"""The job of a scenario: submitted, disturbed at moments of its progress, and followed to its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chaos.suite.failure import SuiteFailed, wait_for
from chaos.suite.inputs import VARIANTS
from chaos.suite.schedule import Strike
from chaos.suite.stack import Folders
from fixtures.servers.chaos_stack import ChaosStack, closing_engine
from fixtures.servers.redis import flush
from samfleet.client.client import SamfleetClient
from samfleet.db.session import read_only

PATIENCE_SECONDS = 600.0  # without a recorded image
WHOLE_SECONDS = 300.0
# Every mask of the tiny network counts, as its logits are too flat for the usual thresholds.
TASK = {"kind": "everything", "points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
PROGRESS = """
SELECT jobs.state, coalesce(sum(runs.succeeded + runs.failed), 0) FROM jobs LEFT JOIN runs ON runs.job_id = jobs.id
WHERE jobs.id = :id GROUP BY jobs.state
"""
OPEN = {"queued", "running"}
OPEN_SHARDS = "SELECT count(*) FROM shards WHERE state IN ('pending', 'queued', 'leased')"

Hit = Callable[[ChaosStack, str], bool]  # returns False if the job ended before the strike could be made


@dataclass(frozen=True, slots=True)
class Struck:
    """A strike that was made, with the number of images recorded before it."""

    strike: Strike
    recorded: int


def submit(stack: ChaosStack, folders: Folders) -> str:
    """Submit one job of both variants over the pictures, and return its id."""
    with SamfleetClient(stack.samfleet.info.api_url, stack.samfleet.info.api_key) as client:
        dataset = client.create_directory_dataset(folders.pictures)
        return str(client.submit_job(dataset.id, variants=VARIANTS, task=TASK).id)


def progress(stack: ChaosStack, job_id: str) -> tuple[str, int] | None:
    """Return the state of the job and its number of recorded images, or None while the database is away."""
    with closing_engine(stack.samfleet.info.database_url) as engine:
        try:
            with read_only(engine) as session:
                state, recorded = session.execute(text(PROGRESS), {"id": job_id}).one()
        except DBAPIError:
            return None
    return str(state), int(recorded)


def carry_out(stack: ChaosStack, job_id: str, schedule: Sequence[Strike], hits: Mapping[str, Hit]) -> list[Struck]:
    """Make the strikes of the schedule, each as soon as it is due, and wait for the end of the job."""
    struck = []
    for strike in schedule:
        recorded = _wait_for_images(stack, job_id, strike.at)
        if hits[strike.kind](stack, strike.target):
            struck.append(Struck(strike, recorded))
    _wait_for_end(stack, job_id)
    return struck


def kill(stack: ChaosStack, target: str) -> bool:
    try:
        stack.hurt(target, signal.SIGKILL)
    except pytest.fail.Exception as error:
        raise SuiteFailed(f"{error}\n{stack.logs()}") from None
    return True


def lose_messages(stack: ChaosStack, _target: str) -> bool:
    flush(stack.samfleet.info.broker_url)
    return True


def has_open_shards(stack: ChaosStack) -> bool:
    """Return whether any shard is still to be recorded."""
    with closing_engine(stack.samfleet.info.database_url) as engine, read_only(engine) as session:
        return bool(session.execute(text(OPEN_SHARDS)).scalar_one())


def _wait_for_images(stack: ChaosStack, job_id: str, images: int) -> int:
    """Return the number of recorded images once it is at least `images`."""
    best, since = 0, time.monotonic()
    while True:
        seen = progress(stack, job_id)
        if seen is not None:
            state, recorded = seen
            if recorded >= images:
                return recorded
            if state not in OPEN:
                raise SuiteFailed(f"the job ended as {state} with {recorded} images\n{stack.logs()}")
            if recorded > best:
                best, since = recorded, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise SuiteFailed(f"no image was recorded for {PATIENCE_SECONDS:g} s, {best} so far\n{stack.logs()}")
        time.sleep(0.05)


def _wait_for_end(stack: ChaosStack, job_id: str) -> None:
    """Wait until the job has ended and every part is ready again."""

    def ended() -> bool:
        seen = progress(stack, job_id)
        return seen is not None and seen[0] not in OPEN

    try:
        wait_for("the end of the job", ended, PATIENCE_SECONDS)
        wait_for("all parts of the stack", stack.is_whole, WHOLE_SECONDS)
    except SuiteFailed as error:
        raise SuiteFailed(f"{error}: {progress(stack, job_id)}\n{stack.logs()}") from None
