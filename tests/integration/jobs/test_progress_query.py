"""The progress that the database computes by indexes is that of all shards of a run."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, select

from fixtures.worker.job_rows import MINUTE, claim_one, record_one, reload, start_runs
from samfleet.db.models import Run, Shard, ShardState
from samfleet.db.session import read_only, transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.claim import ClaimedShard, release, renew
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.progress import Progress, progress_of_runs
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.retry import retry_job
from samfleet.jobs.stall import Reason
from samfleet.jobs.states import OPEN_SHARDS, is_final
from samfleet.storage.memory_store import MemoryStore


class Runs:
    """Runs of one job; only the first is worked on."""

    def __init__(self, engine: Engine, *variants: str) -> None:
        self.engine, self.queue, self.store = engine, MemoryTaskQueue(), MemoryStore()
        self.first = start_runs(engine, self.queue, 12, variants=list(variants))[0]

    def claim(self, progress: int = 0) -> ClaimedShard:
        claimed = claim_one(self.engine, self.first)
        with transaction(self.engine) as session:
            assert renew(session, claimed.shard_id, claimed.token, progress, MINUTE)
        return claimed

    def record(self, claimed: ClaimedShard, failed: int = 0) -> None:
        record_one(self.engine, self.queue, self.store, claimed, failed=failed)

    def release(self, claimed: ClaimedShard) -> None:
        with transaction(self.engine) as session:
            fault = Reason("some_error", "something failed")
            assert release(session, claimed, error=fault, retry_in=timedelta(0), max_attempts=9)
        self.dispatch()

    def dispatch(self) -> None:
        with transaction(self.engine) as session:
            dispatch_run(session, self.queue, self.first.id, 100)

    def retry(self) -> None:
        job, _ = reload(self.engine, self.first)
        with transaction(self.engine) as session:
            retry_job(session, self.queue, job.tenant_id, job.id)
        self.dispatch()

    def cancel(self) -> None:
        job, _ = reload(self.engine, self.first)
        with transaction(self.engine) as session:
            cancel_job(session, job.tenant_id, job.id)

    def check(self) -> Progress:
        """Compare with the shards, and return the first run's progress."""
        with read_only(self.engine) as session:
            runs = list(session.scalars(select(Run).order_by(Run.variant)))
            found = progress_of_runs(session, runs)
            for run in runs:
                shards = list(session.scalars(select(Shard).where(Shard.run_id == run.id)))
                assert found[run.id] == of_all_shards(run, shards, found[run.id])
        return found[self.first.id]


def of_all_shards(run: Run, shards: list[Shard], found: Progress) -> Progress:
    recorded = [shard for shard in shards if shard.part_key is not None]
    claims = [shard.first_claimed_at or shard.claimed_at for shard in shards]
    return Progress(
        total=run.total,
        succeeded=run.succeeded,
        failed=run.failed,
        in_progress=sum(shard.progress for shard in shards if shard.state is ShardState.LEASED),
        ended=is_final(run.state),
        started=min((at for at in claims if at is not None), default=None),
        last_record=max((shard.finished_at for shard in recorded if shard.finished_at), default=None),
        now=found.now,
        retrying=sum(shard.failed for shard in recorded if shard.state in OPEN_SHARDS),
    )


def test_it_agrees_with_all_shards_in_every_state(engine: Engine) -> None:
    runs = Runs(engine, "mobile_sam", "tinysam")
    assert runs.check().started is None
    first = runs.claim(progress=3)
    assert runs.check().in_progress == 3
    runs.release(first)  # waits again, with the time of its claim
    assert (runs.check().in_progress, runs.check().last_record) == (0, None)
    runs.record(runs.claim(), failed=2)
    second, third = runs.claim(progress=1), runs.claim(progress=2)
    assert runs.check().in_progress == 3
    runs.record(third)
    runs.record(second, failed=1)
    assert runs.check().recorded == 12
    finish_run(engine, runs.store, runs.first.id)
    assert runs.check().ended


def test_it_agrees_while_failed_images_are_retried_and_after_a_cancellation(engine: Engine) -> None:
    runs = Runs(engine, "mobile_sam")
    for failed in (2, 1, 0):
        runs.record(runs.claim(), failed=failed)
    finish_run(engine, runs.store, runs.first.id)
    started = runs.check().started
    runs.retry()
    assert (runs.check().retrying, runs.check().started) == (3, started)
    runs.record(runs.claim(progress=1), failed=1)
    assert runs.check().retrying == 1
    runs.claim(progress=1)
    runs.cancel()
    assert (runs.check().retrying, runs.check().in_progress, runs.check().started) == (0, 0, started)


def test_no_runs_have_no_progress(engine: Engine) -> None:
    with read_only(engine) as session:
        assert progress_of_runs(session, []) == {}
