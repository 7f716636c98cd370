"""Choice of the loaded variant, on a real database with the shipped segmenter double."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text, update

from fixtures.models.renamed_variants import add_variants
from fixtures.worker.job_rows import claim_one, reload, results_of, shards_of, start_runs
from fixtures.worker.worker_services import make_services, raise_for, upload
from samfleet.db.models import JobState, Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.errors import VariantLoadFailed
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20
LONG_AGO = text("now() - interval '1 hour'")


@pytest.fixture(autouse=True)
def _variants(monkeypatch: pytest.MonkeyPatch) -> None:
    add_variants(monkeypatch, "first", "second")


def two_runs(engine: Engine, segmenter: MemorySegmenter, images: int = 8) -> tuple[Services, Run, Run]:
    services = make_services(engine, segmenter)
    first, second = start_runs(
        engine, services.queue, images, uris=upload(services, images), variants=["first", "second"]
    )
    return services, first, second


def offer_again(services: Services, run: Run) -> None:
    """Dispatch the run as the dispatcher does when its wait ends."""
    with transaction(services.engine) as session:
        session.execute(update(Shard).where(Shard.run_id == run.id).values(not_before=None))
        dispatch_run(session, services.queue, run.id, 100)


def states(services: Services, run: Run) -> set[ShardState]:
    return {shard.state for shard in shards_of(services.engine, run)}


def work_on(services: Services, run: Run, shards: int | None = None) -> None:
    for shard in shards_of(services.engine, run, ShardState.QUEUED)[:shards]:
        segment_shard(services, shard.id)


def test_a_variant_is_loaded_before_the_first_image(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first)
    work_on(services, second)
    assert segmenter.loads == ["first", "second"]
    assert len(results_of(engine, first)) == len(results_of(engine, second)) == 8


def test_a_variant_that_does_not_fit_waits_for_work_in_flight(engine: Engine) -> None:
    segmenter = MemorySegmenter(most_loaded=1)
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first, 1)
    assert isinstance(services.queue, MemoryTaskQueue)
    services.queue.sent.clear()
    work_on(services, second, 1)
    assert segmenter.loads == ["first"]
    waiting = shards_of(engine, second)[0]
    assert (waiting.state, waiting.attempts) == (ShardState.PENDING, 0)
    assert waiting.not_before is not None
    assert services.queue.sent == [SentTask("jobs.dispatch", (str(second.id),), "samfleet.control", 2.0)]
    assert reload(engine, second)[1].waiting_since is not None
    work_on(services, first)
    offer_again(services, second)
    work_on(services, second)
    assert segmenter.loads == ["first", "second"]
    assert states(services, first) == states(services, second) == {ShardState.DONE}
    assert reload(engine, second)[1].waiting_since is None


def test_a_run_yields_to_a_waiting_one_after_its_turn(engine: Engine) -> None:
    segmenter = MemorySegmenter(most_loaded=1)
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first, 1)
    work_on(services, second, 1)
    with transaction(engine) as session:
        session.execute(update(Run).where(Run.id == second.id).values(waiting_since=LONG_AGO))
    work_on(services, first)
    assert states(services, first) == {ShardState.DONE, ShardState.PENDING}
    offer_again(services, first)  # queued, but not leased: that no longer keeps the place
    offer_again(services, second)
    work_on(services, second)
    assert states(services, second) == {ShardState.DONE}
    work_on(services, first)
    assert segmenter.loads == ["first", "second", "first"]
    assert states(services, first) == {ShardState.DONE}


def test_a_run_does_not_yield_within_its_turn(engine: Engine) -> None:
    segmenter = MemorySegmenter(most_loaded=1)
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first, 1)
    with transaction(engine) as session:
        session.execute(update(Run).where(Run.id == second.id).values(waiting_since=LONG_AGO))
        session.execute(update(Run).where(Run.id == first.id).values(turn_since=text("now()")))
    work_on(services, first)
    assert states(services, first) == {ShardState.DONE}


def test_a_variant_with_leased_shards_stays_loaded_while_others_wait(engine: Engine) -> None:
    segmenter = MemorySegmenter(most_loaded=1)
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first, 1)
    claim_one(engine, first)
    with transaction(engine) as session:
        session.execute(update(Run).where(Run.id == second.id).values(waiting_since=LONG_AGO))
    work_on(services, second, 1)
    assert segmenter.loads == ["first"]


def test_the_least_recently_used_variant_is_unloaded(engine: Engine) -> None:
    segmenter = MemorySegmenter(most_loaded=2)
    services, first, second = two_runs(engine, segmenter)
    work_on(services, first)
    work_on(services, second)
    assert segmenter.loaded == ["first", "second"]


def test_a_variant_unloaded_meanwhile_is_loaded_again(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services, first, _ = two_runs(engine, segmenter)

    def forget(_: object) -> None:
        segmenter.before = lambda _: None
        segmenter.loaded.remove("first")

    segmenter.before = forget
    work_on(services, first)
    assert segmenter.loads == ["first", "first"]
    assert {result.error_code for result in results_of(engine, first)} == {None}


def test_concurrent_threads_load_a_variant_once(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services, first, _ = two_runs(engine, segmenter, images=16)
    threads = [threading.Thread(target=segment_shard, args=(services, shard.id)) for shard in shards_of(engine, first)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert segmenter.loads == ["first"]
    assert len(results_of(engine, first)) == 16


def test_a_failed_load_fails_only_its_run(engine: Engine) -> None:
    segmenter = MemorySegmenter(refuse={"second": VariantLoadFailed("no weights; samfleet variants pull second")})
    services, first, second = two_runs(engine, segmenter)
    work_on(services, second)
    work_on(services, first)
    job, failed = reload(engine, second)
    assert (failed.state, failed.error_code) == (RunState.FAILED, "variant_load_failed")
    assert failed.error_message == "no weights; samfleet variants pull second"
    assert reload(engine, first)[1].state is RunState.FINISHING
    assert job.state is JobState.RUNNING


def test_a_licence_not_accepted_by_the_worker_fails_the_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = MemorySegmenter()
    services, first, _ = two_runs(engine, segmenter)
    add_variants(monkeypatch, "first", weights_licence="AGPL-3.0")
    work_on(services, first, 1)
    failed = reload(engine, first)[1]
    assert (failed.state, failed.error_code) == (RunState.FAILED, "licence_not_accepted")
    assert segmenter.loads == []


def test_an_image_error_is_not_taken_for_a_missing_variant(engine: Engine) -> None:
    segmenter = MemorySegmenter(before=raise_for(1, KeyError("stages")))
    services, first, _ = two_runs(engine, segmenter)
    work_on(services, first, 1)
    assert segmenter.loads == ["first"]
    assert shards_of(engine, first)[0].attempts == 1


def test_a_turn_is_one_minute_by_default(engine: Engine) -> None:
    assert make_services(engine, MemorySegmenter()).settings.variant_turn == timedelta(minutes=1)
