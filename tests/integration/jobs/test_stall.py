"""A stalled run shows the reason until something is recorded."""

from __future__ import annotations

from sqlalchemy import Engine

from fixtures.worker.job_rows import MINUTE, claim_one, record_one, reload, run_out, start_job
from samfleet.db.session import transaction
from samfleet.jobs.claim import expire_leases, release, wait_for_room
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.stall import Reason
from samfleet.storage.memory_store import MemoryStore

QUEUE = MemoryTaskQueue()


def test_a_stalled_run_shows_the_reason_until_something_is_recorded(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 12), MemoryStore()
    with transaction(engine) as session:
        away = Reason("triton_unavailable", "Triton is down")
        assert release(session, claim_one(engine, run), error=away, retry_in=MINUTE, max_attempts=5)
    _, run = reload(engine, run)
    assert (run.stalled_code, run.stalled_message) == ("triton_unavailable", "Triton is down")
    since = run.stalled_since
    assert since is not None
    with transaction(engine) as session:
        assert wait_for_room(session, claim_one(engine, run), Reason("variant_waits", "no room"), retry_in=MINUTE)
    _, run = reload(engine, run)
    assert (run.stalled_code, run.stalled_message, run.stalled_since) == ("variant_waits", "no room", since)
    record_one(engine, QUEUE, store, claim_one(engine, run))
    _, run = reload(engine, run)
    assert (run.stalled_code, run.stalled_message, run.stalled_since) == (None, None, None)


def test_a_run_shows_that_its_worker_is_gone(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    run_out(engine, claim_one(engine, run))
    with transaction(engine) as session:
        assert expire_leases(session, run.id, 5) == 1
    _, run = reload(engine, run)
    assert run.stalled_code == "lease_lost"
    assert run.stalled_message is not None
    assert "stopped renewing its lease" in run.stalled_message
