"""Comparisons of runs: every image once, whatever happens to the worker, the store or the runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update

from fixtures.worker.compared_runs import FIRST_IMAGE, ended_run_of, new_dataset
from samfleet.comparisons.build import build_comparison
from samfleet.comparisons.claim import claim_comparison
from samfleet.comparisons.errors import RunsNotComparable, TooManyComparisons
from samfleet.comparisons.reading import Place
from samfleet.comparisons.request import MOST_COMPARISONS, request_comparison
from samfleet.comparisons.states import COMPARISONS
from samfleet.db.models import ComparedImage, Comparison, ComparisonState, Dataset, Job, Run
from samfleet.db.session import transaction
from samfleet.jobs.built_rows import MOST_LOST, SILENT_AFTER
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

IMAGES = 10
Runs = tuple[Run, Run]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def queue() -> MemoryTaskQueue:
    return MemoryTaskQueue()


@pytest.fixture
def runs(engine: Engine, store: MemoryStore) -> Runs:
    """Run A has one mask in each image; run B cuts its parts elsewhere, and has none, the same, half or another one."""
    dataset = new_dataset(engine, IMAGES)
    b: dict[int, Any] = {0: None, 1: [], 2: [(0, 8)], 3: [(10, 20)], 4: [(0, 10), (10, 20)]}
    return (
        ended_run_of(engine, store, dataset, lambda place: None if place == 9 else [(0, 10)], ious=True),
        ended_run_of(engine, store, dataset, lambda place: b.get(place, [(0, 10)]), shard_size=3, ious=True),
    )


def new(engine: Engine, queue: MemoryTaskQueue, runs: Runs) -> tuple[Comparison, bool]:
    with transaction(engine) as session:
        tenant = session.get_one(Job, runs[0].job_id).tenant_id
        return request_comparison(session, queue, tenant, runs[0].id, runs[1].id)


def row_of(engine: Engine, comparison: Comparison) -> Comparison:
    with transaction(engine) as session:
        return session.get_one(Comparison, comparison.id)


def images_of(engine: Engine, comparison: Comparison) -> list[ComparedImage]:
    with transaction(engine) as session:
        query = select(ComparedImage).where(ComparedImage.comparison_id == comparison.id)
        return list(session.scalars(query.order_by(ComparedImage.position)))


def let_time_pass(engine: Engine, comparison: Comparison) -> None:
    with transaction(engine) as session:
        past = text("now() - interval '3 minutes'")
        session.execute(update(Comparison).where(Comparison.id == comparison.id).values(sent_at=past))


def sweep(engine: Engine, queue: MemoryTaskQueue) -> int:
    with transaction(engine) as session:
        return COMPARISONS.sweep(session, queue, SILENT_AFTER)


def build(engine: Engine, store: MemoryStore, comparison: Comparison) -> Comparison:
    build_comparison(engine, store, comparison.id)
    return row_of(engine, comparison)


def test_every_image_that_both_runs_segmented_is_compared(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, created = new(engine, queue, runs)
    assert created
    assert queue.sent == [SentTask("comparisons.build", (str(comparison.id),), "samfleet.control")]
    built = build(engine, store, comparison)
    assert (built.state, built.position, built.total, built.images) == (ComparisonState.COMPLETED, 10, 10, 8)
    images = images_of(engine, comparison)
    assert [image.position for image in images] == list(range(1, 9))  # the first failed in B, the last one in A
    assert [image.image_id for image in images] == [FIRST_IMAGE + place for place in range(1, 9)]
    figures = [(one.masks_b, one.matched, one.changed, one.iou_sum, one.agreement) for one in images[:5]]
    assert figures == [
        (0, 0, 0, 0.0, 0.0),
        (1, 1, 1, pytest.approx(0.8), pytest.approx(0.8)),
        (1, 0, 0, 0.0, 0.0),
        (2, 1, 0, 1.0, pytest.approx(2 / 3)),
        (1, 1, 0, 1.0, 1.0),
    ]
    assert (built.masks_a, built.masks_b, built.matched, built.changed) == (8, 8, 6, 1)
    assert built.iou_sum == pytest.approx(5.8)
    assert [images[0].iou_a, images[0].iou_b, images[0].iou_change] == pytest.approx([0.1, 0.0, -0.1])


def test_an_equal_request_shares_the_comparison(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, _ = new(engine, queue, runs)
    again, created = new(engine, queue, runs)
    assert (again.id, created, len(queue.sent)) == (comparison.id, False, 1)
    turned, created = new(engine, queue, runs[::-1])
    assert (turned.id != comparison.id, created) == (True, True)
    build(engine, store, turned)
    assert [image.agreement for image in images_of(engine, turned)][:2] == [0.0, pytest.approx(0.8)]


def test_a_worker_that_takes_over_continues_where_the_first_one_died(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker dies, without a word, after it has written six images."""
    monkeypatch.setattr("samfleet.comparisons.build.IMAGES_AT_ONCE", 2)
    comparison, _ = new(engine, queue, runs)

    class Killed(BaseException):
        pass

    def dies(place: Place) -> None:
        if place.position == 8:
            raise Killed

    with monkeypatch.context() as mortal, pytest.raises(Killed):
        watch(mortal, dies)
        build_comparison(engine, store, comparison.id)
    half = row_of(engine, comparison)
    assert (half.state, half.position, half.images) == (ComparisonState.RUNNING, 7, 6)
    let_time_pass(engine, comparison)
    assert sweep(engine, queue) == 1
    seen: list[int] = []
    watch(monkeypatch, lambda place: seen.append(place.position))
    built = build(engine, store, comparison)
    assert (built.state, built.lost, built.images, seen) == (ComparisonState.COMPLETED, 1, 8, [7, 8, 9])
    assert [image.position for image in images_of(engine, comparison)] == list(range(1, 9))
    assert (built.masks_a, built.matched) == (8, 6)


def watch(monkeypatch: pytest.MonkeyPatch, see: Callable[[Place], None]) -> None:
    """Show each place to `see` before it is compared."""
    from samfleet.comparisons import reading

    def watched(*arguments: Any) -> Any:
        for place in reading.side_by_side(*arguments):
            see(place)
            yield place

    monkeypatch.setattr("samfleet.comparisons.build.side_by_side", watched)


def test_a_worker_that_was_taken_for_dead_writes_nothing(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet.comparisons.build.IMAGES_AT_ONCE", 2)
    comparison, _ = new(engine, queue, runs)

    def overtaken(place: Place) -> None:
        if place.position == 5 and row_of(engine, comparison).lost == 0:
            let_time_pass(engine, comparison)
            sweep(engine, queue)
            build_comparison(engine, store, comparison.id)

    watch(monkeypatch, overtaken)
    built = build(engine, store, comparison)
    assert (built.state, built.images, built.masks_a) == (ComparisonState.COMPLETED, 8, 8)
    assert len(images_of(engine, comparison)) == 8


def test_a_comparison_deleted_while_it_is_computed_leaves_nothing(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet.comparisons.build.IMAGES_AT_ONCE", 2)
    comparison, _ = new(engine, queue, runs)

    def deleted(place: Place) -> None:
        if place.position == 5:
            with transaction(engine) as session:
                session.delete(session.get_one(Comparison, comparison.id))

    watch(monkeypatch, deleted)
    build_comparison(engine, store, comparison.id)
    assert images_of(engine, comparison) == []


def test_a_task_that_arrives_twice_compares_once(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, _ = new(engine, queue, runs)
    first = build(engine, store, comparison)
    assert build(engine, store, comparison).finished_at == first.finished_at
    build_comparison(engine, store, uuid.uuid4())


def test_workers_that_fall_silent_again_and_again_fail_the_comparison(
    engine: Engine, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, _ = new(engine, queue, runs)
    for _ in range(MOST_LOST):
        with transaction(engine) as session:
            assert claim_comparison(session, comparison.id) is not None
        assert sweep(engine, queue) == 0  # it may still live
        let_time_pass(engine, comparison)
        sweep(engine, queue)
    row = row_of(engine, comparison)
    assert (row.state, row.error_code) == (ComparisonState.FAILED, "comparison_failed")
    assert new(engine, queue, runs)[1]  # another may be requested


def test_a_store_that_does_not_respond_leaves_the_comparison_queued(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison, _ = new(engine, queue, runs)

    def away(*_: object, **__: object) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as broken, pytest.raises(StorageUnavailable):
        broken.setattr(MemoryStore, "open", away)
        build_comparison(engine, store, comparison.id)
    assert row_of(engine, comparison).state is ComparisonState.QUEUED
    assert build(engine, store, comparison).state is ComparisonState.COMPLETED


def test_a_missing_part_fails_the_comparison_with_its_code(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, _ = new(engine, queue, runs)
    store.delete_prefix(f"runs/{runs[1].id}/parts/")
    failed = build(engine, store, comparison)
    assert (failed.state, failed.error_code) == (ComparisonState.FAILED, "object_not_found")


def test_a_retry_outdates_what_was_not_computed(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    comparison, _ = new(engine, queue, runs)
    with transaction(engine) as session:
        session.execute(update(Run).where(Run.id == runs[1].id).values(retries=1))
    failed = build(engine, store, comparison)
    assert (failed.state, failed.error_code) == (ComparisonState.FAILED, "comparison_outdated")
    assert new(engine, queue, runs)[1]


def test_only_runs_over_the_same_images_are_compared(
    engine: Engine, store: MemoryStore, queue: MemoryTaskQueue, runs: Runs
) -> None:
    with pytest.raises(RunsNotComparable, match="with itself"):
        new(engine, queue, (runs[0], runs[0]))
    tenant_id = other_dataset_of_the_tenant(engine, runs[0])
    other = ended_run_of(engine, store, tenant_id, lambda _: [(0, 10)])
    with pytest.raises(RunsNotComparable, match="different contents"):
        new(engine, queue, (runs[0], other))
    with transaction(engine) as session:
        session.execute(update(Dataset).values(content_sha256="e" * 64))
    assert new(engine, queue, (runs[0], other))[1]  # two datasets made of the same folder


def other_dataset_of_the_tenant(engine: Engine, run: Run) -> Dataset:
    dataset = new_dataset(engine, IMAGES + 1)
    with transaction(engine) as session:
        tenant_id = session.get_one(Job, run.job_id).tenant_id
        session.execute(update(Dataset).where(Dataset.id == dataset.id).values(tenant_id=tenant_id))
        return session.get_one(Dataset, dataset.id, populate_existing=True)


def test_a_run_is_in_a_limited_number_of_comparisons(engine: Engine, queue: MemoryTaskQueue, runs: Runs) -> None:
    comparison, _ = new(engine, queue, runs)
    with transaction(engine) as session:
        session.execute(
            text(
                "INSERT INTO comparisons (id, tenant_id, run_a_id, run_b_id, retries_a, retries_b, state, total) "
                "SELECT gen_random_uuid(), tenant_id, run_a_id, run_b_id, 0, number, 'completed', 1 "
                "FROM comparisons, generate_series(1, :more) AS number"
            ),
            {"more": MOST_COMPARISONS - 1},
        )
        session.execute(update(Run).where(Run.id == runs[0].id).values(retries=1))
    with pytest.raises(TooManyComparisons, match=f"{MOST_COMPARISONS} comparisons"):
        new(engine, queue, runs)
    assert row_of(engine, comparison).state is ComparisonState.QUEUED
