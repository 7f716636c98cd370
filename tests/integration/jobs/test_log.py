"""Lines of a job's log, written by the functions that do what they say."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, func, select

from fixtures.worker.job_rows import MINUTE, claim_one, record_one, run_out, shards_of, start_job
from fixtures.worker.worker_services import make_services, upload
from samfleet.db.models import Job, JobLogLine, LogLevel, Run, ShardState
from samfleet.db.session import read_only, transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.claim import Fault, expire_leases, hand_back, release
from samfleet.jobs.delete import delete_job
from samfleet.jobs.finish import finish_run
from samfleet.jobs.purge import remove_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.stall import Reason
from samfleet.storage.memory_store import MemoryStore
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.errors import VariantWaits
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

QUEUE = MemoryTaskQueue()
AWAY = Reason("triton_unavailable", "Triton is down")


def lines(engine: Engine, run: Run) -> list[JobLogLine]:
    with read_only(engine) as session:
        return list(session.scalars(select(JobLogLine).where(JobLogLine.job_id == run.job_id).order_by(JobLogLine.id)))


def told(engine: Engine, run: Run) -> list[tuple[str, str, int | None]]:
    """Return level, code and shard of the lines that are no changes of states."""
    return [(one.level.value, one.code, one.shard) for one in lines(engine, run) if one.code != "state"]


def test_states_shards_and_failed_images_are_told_in_order(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 8), MemoryStore()
    record_one(engine, QUEUE, store, claim_one(engine, run))
    record_one(engine, QUEUE, store, claim_one(engine, run, worker="w2"), failed=4)
    finish_run(engine, store, run.id)
    found = lines(engine, run)
    states = [(one.message, one.run_id is None) for one in found if one.code == "state"]
    assert states == [
        ("queued", True),
        ("queued", False),
        ("queued → running", True),
        ("queued → running", False),
        ("running → finishing", False),
        ("finishing → completed", False),
        ("running → completed with errors", True),
    ]
    assert told(engine, run) == [
        ("info", "shard_recorded", 0),
        ("info", "shard_recorded", 1),
        ("warning", "images_failed", 1),
    ]
    recorded, failed = (next(one for one in found if one.code == code) for code in ("shard_recorded", "images_failed"))
    assert recorded.message.startswith("4 images, with 8 new masks, recorded ")
    assert recorded.message.endswith(" s after w1 claimed them")
    assert failed.message == "4 images failed with image_missing: 4.png, 5.png, 6.png and 1 more"
    assert found[-1].level is LogLevel.WARNING
    assert [one.at for one in found] == sorted(one.at for one in found)


def test_a_wait_is_one_line_until_work_goes_on(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 12), MemoryStore()
    for _ in range(2):
        with transaction(engine) as session:
            claimed = claim_one(engine, run)
            assert release(session, claimed, error=AWAY, retry_in=MINUTE, max_attempts=5, fault=Fault.NOBODY)
    assert told(engine, run) == [("warning", "triton_unavailable", 0)]
    record_one(engine, QUEUE, store, claim_one(engine, run))
    assert told(engine, run)[1:] == [("info", "work_goes_on", 2), ("info", "shard_recorded", 2)]


def test_a_lost_worker_and_one_that_stops_are_told(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 8)
    with transaction(engine) as session:
        assert hand_back(session, claim_one(engine, run, worker="w1"))
    run_out(engine, claim_one(engine, run, worker="w2"))
    with transaction(engine) as session:
        assert expire_leases(session, run.id, 5) == 1
    assert told(engine, run) == [("info", "shard_handed_back", 0), ("warning", "lease_lost", None)]
    assert "w2 stopped renewing its lease" in lines(engine, run)[-1].message


def test_a_failed_run_is_an_error(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    with transaction(engine) as session:
        assert release(session, claim_one(engine, run), error=Reason("odd", "odd"), retry_in=MINUTE, max_attempts=1)
    errors = [one for one in lines(engine, run) if one.level is LogLevel.ERROR]
    assert [one.run_id is None for one in errors] == [False, True]
    assert "shard 0 failed 1 times" in errors[0].message


class FullSegmenter(MemorySegmenter):
    """A segmenter whose server has no memory for the first loads."""

    full = 2

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        if self.full:
            self.full -= 1
            raise VariantWaits("no room")
        super().load(variant, at_work)


def test_the_loading_of_a_model_is_told_once_however_often_it_is_tried(engine: Engine) -> None:
    segmenter = FullSegmenter()
    segmenter.loaded.clear()
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 12, uris=upload(services, 12))
    for _ in range(3):
        segment_shard(services, shards_of(engine, run, ShardState.QUEUED)[0].id)
    codes = [code for _, code, _ in told(engine, run)]
    assert codes == ["model_loading", "variant_waits", "model_loaded", "work_goes_on", "shard_recorded"]


def test_the_log_is_removed_with_its_job(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    with transaction(engine) as session:
        job = session.get_one(Job, run.job_id)
        cancel_job(session, job.tenant_id, job.id)
        delete_job(session, job.tenant_id, job.id)
    remove_job(engine, MemoryStore(), run.job_id, grace=timedelta(hours=1), deadline=float("inf"))
    with read_only(engine) as session:
        assert session.scalar(select(func.count()).select_from(JobLogLine)) == 0
