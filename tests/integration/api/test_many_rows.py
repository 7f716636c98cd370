"""Queries of a job's page on many rows: they look at few of them, by the intended indexes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from benchmarks.scale.rows import FAIL_FROM, FAILING, SHARD, WrittenJob, analyze, write_dataset, write_job
from fixtures.api.query_plans import explained, indexes, most_rows, nodes
from fixtures.worker.job_rows import MINUTE, finished
from samfleet.db.models import Job, Run, Shard, ShardState, Tenant
from samfleet.db.session import transaction
from samfleet.jobs.claim import claim, release
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.progress import progress_of_runs
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.jobs.retry import retry_job
from samfleet.jobs.stall import Reason
from samfleet.jobs.throughput import throughput_of_runs
from samfleet.reports.stages import stage_statistics
from samfleet.rollups.sketch import RELATIVE_ERROR
from samfleet_api.jobs.repository import failed_images, failure_groups
from samfleet_api.pools.repository import queue_depths
from samfleet_api.runs import image_listing
from samfleet_api.runs.image_figures import ImageFilter, ImageOrder, ListedOutcome
from samfleet_api.runs.image_listing import Place, page_of_images
from samfleet_api.runs.repository import facts_of

IMAGES = 20_000
DONE = IMAGES - 3200  # of the running job
OTHERS = 10  # jobs; of two alone, PostgreSQL may as well read all shards as those of one
MOST_ROWS = 1000  # read by one step of a query
FAILED = [n for n in range(int(FAIL_FROM * IMAGES), IMAGES) if n % FAILING == 0]


class Jobs:
    def __init__(self, engine: Engine) -> None:
        with transaction(engine) as session:
            tenant = Tenant(name="many")
            session.add(tenant)
            session.flush()
        dataset_id = write_dataset(engine, tenant.id, IMAGES)
        self.engine = engine
        self.completed = write_job(engine, tenant.id, dataset_id, IMAGES, IMAGES)
        self.running = write_job(engine, tenant.id, dataset_id, IMAGES, DONE)
        for _ in range(OTHERS):
            write_job(engine, tenant.id, dataset_id, IMAGES, IMAGES, with_rows=False)
        analyze(engine)


@pytest.fixture
def jobs(engine: Engine) -> Jobs:
    return Jobs(engine)


def pages(session: Session, run: Run, outcome: ListedOutcome | None) -> list[int]:
    positions: list[int] = []
    after: Place | None = None
    while True:
        page, after = page_of_images(
            session, run, ImageFilter(outcome), order=ImageOrder.POSITION, after=after, limit=997
        )
        positions += [image.position for image in page]
        if after is None:
            return positions


def test_pages_of_each_outcome_have_all_images_once(jobs: Jobs) -> None:
    with Session(jobs.engine) as session:
        whole, part = (session.get_one(Run, job.run_id) for job in (jobs.completed, jobs.running))
        assert pages(session, whole, ListedOutcome.FAILED) == FAILED
        assert pages(session, whole, ListedOutcome.SUCCEEDED) == sorted(set(range(IMAGES)) - set(FAILED))
        assert pages(session, whole, ListedOutcome.PENDING) == []
        assert pages(session, part, ListedOutcome.PENDING) == list(range(DONE, IMAGES))
        assert pages(session, part, None) == pages(session, whole, None) == list(range(IMAGES))


@pytest.mark.parametrize(
    ("name", "outcome", "most"), [("77", None, 50), ("80", ListedOutcome.FAILED, 2), ("7777", None, 1)]
)
def test_a_search_by_name_reads_a_part_of_the_run_at_a_time(
    jobs: Jobs, name: str, outcome: ListedOutcome | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_listing, "SEARCHED_AT_ONCE", MOST_ROWS - 1)
    matching = [n for n in range(IMAGES) if name in f"{n:08}" and (outcome is None or n in set(FAILED))]
    found: list[int] = []
    after: Place | None = None
    sizes = set()
    with Session(jobs.engine) as session:
        run = session.get_one(Run, jobs.completed.run_id)
        while True:
            with explained(session) as plans:
                page, after = page_of_images(
                    session, run, ImageFilter(outcome, name), order=ImageOrder.POSITION, after=after, limit=50
                )
            assert most_rows(plans) <= MOST_ROWS
            found += [image.position for image in page]
            sizes.add(len(page))
            if after is None:
                break
    assert found == matching
    assert max(sizes) == most
    assert 0 in sizes or (name, outcome) == ("77", None)


def test_requests_read_few_rows(jobs: Jobs) -> None:
    def page(outcome: ListedOutcome | None) -> Callable[[Session, Run], object]:
        wanted, order = ImageFilter(outcome), ImageOrder.POSITION
        return lambda session, run: page_of_images(session, run, wanted, order=order, after=None, limit=11)

    def dispatched(session: Session, run: Run) -> object:
        return dispatch_run(session, MemoryTaskQueue(), run.id, 4)

    def errors(session: Session, run: Run) -> object:
        return failed_images(session, run.job_id, after=None, limit=11)

    def progress(session: Session, run: Run) -> object:
        return progress_of_runs(session, [run])

    wanted: list[tuple[WrittenJob, Callable[[Session, Run], object], str]] = [
        (jobs.running, progress, "ix_shards_claims"),
        (jobs.running, progress, "ix_shards_records"),
        (jobs.running, progress, "ix_shards_retried"),
        (jobs.completed, page(ListedOutcome.FAILED), "ix_shards_failures"),
        (jobs.running, page(ListedOutcome.PENDING), "ix_shards_unrecorded"),
        (jobs.completed, page(None), "uq_dataset_images_dataset_id_position"),
        (jobs.running, page(None), "uq_dataset_images_dataset_id_position"),
        (jobs.running, dispatched, "ix_shards_pending"),
        (jobs.completed, errors, "ix_image_results_failures"),
    ]
    for job, read, index in wanted:
        with Session(jobs.engine) as session:
            run = session.get_one(Run, job.run_id)
            with explained(session) as plans:
                read(session, run)
            assert index in indexes(plans), plans
            assert most_rows(plans) < MOST_ROWS, plans


@pytest.mark.parametrize("seen", [0, 7, len(FAILED) - 1])
def test_a_page_of_failures_reads_no_more_of_them(jobs: Jobs, seen: int) -> None:
    def number(node: dict[str, Any]) -> int:
        return int(node["Actual Rows"] * node["Actual Loops"])

    limit = 5
    with Session(jobs.engine) as session:
        run = session.get_one(Run, jobs.completed.run_id)
        before = failed_images(session, run.job_id, after=None, limit=max(seen, 1))
        after = (run.id, before[-1].image_id) if seen else None
        with explained(session) as plans:
            page = failed_images(session, run.job_id, after=after, limit=limit)
    assert [image.image_id for image in page] == [n + 1 for n in FAILED[seen : seen + limit]]
    tables = ("image_results", "dataset_images")
    read = [number(node) for plan in plans for node in nodes(plan) if node.get("Relation Name") in tables]
    assert 0 < max(read) <= limit, plans


def test_figures_of_a_run_come_from_its_rollups_by_index(jobs: Jobs) -> None:
    """There are few rollups here, and PostgreSQL may well read a small table whole; so it is told not to."""

    def facts(session: Session, run: Run) -> object:
        return facts_of(session, [run.id])

    for read in (facts, stage_statistics):
        with Session(jobs.engine) as session:
            run = session.get_one(Run, jobs.completed.run_id)
            session.execute(text("SET LOCAL enable_seqscan = off"))
            with explained(session) as plans:
                read(session, run)
            assert {"pk_rollups", "ix_report_series_run_id"} <= indexes(plans), plans
            assert most_rows(plans) < MOST_ROWS, plans


def test_counts_of_a_run_read_an_index_and_not_its_rows(jobs: Jobs) -> None:
    def throughput(session: Session, run: Run) -> object:
        return throughput_of_runs(session, [run], 60)

    def groups(session: Session, run: Run) -> object:
        return failure_groups(session, run.job_id)

    for read, index in ((throughput, "ix_shards_records"), (groups, "ix_image_results_failures")):
        with Session(jobs.engine) as session:
            run = session.get_one(Run, jobs.completed.run_id)
            with explained(session) as plans:
                read(session, run)
            scans = [node for plan in plans for node in nodes(plan) if node.get("Index Name") == index]
            assert "Index Only Scan" in {node["Node Type"] for node in scans}, plans
            assert most_rows(plans) < MOST_ROWS, plans


def test_a_retry_reads_the_failed_shards_and_their_images(jobs: Jobs) -> None:
    queue = MemoryTaskQueue()
    with Session(jobs.engine) as session:
        run = session.get_one(Run, jobs.completed.run_id)
        job = session.get_one(Job, run.job_id)
        with explained(session) as plans:
            retry_job(session, queue, job.tenant_id, job.id)
        assert {"ix_shards_failures", "ix_shards_cancelled"} <= indexes(plans), plans
        assert most_rows(plans) < MOST_ROWS, plans
        dispatch_run(session, queue, run.id, 2)
        released, recorded = session.scalars(select(Shard.id).where(Shard.state == ShardState.QUEUED)).all()
        with explained(session) as plans:
            claimed = claim(session, released, "w", MINUTE)
            assert claimed is not None
            assert release(session, claimed, error=Reason("c", "m"), retry_in=MINUTE, max_attempts=2)
        assert "ix_shards_attempts" in indexes(plans), plans
        assert most_rows(plans) < MOST_ROWS, plans
        with explained(session) as plans:
            claimed = claim(session, recorded, "w", MINUTE)
            assert claimed is not None
            part: dict[str, Any] = {"part_key": "part", "part_bytes": 1, "store_ms": 0.1, "shards_in_flight": 2}
            record(session, queue, claimed, finished(claimed), **part)
        assert len(claimed.images) == 1
        assert {"ix_shards_retried", "ix_image_results_failures"} <= indexes(plans), plans
        assert most_rows(plans) < MOST_ROWS, plans


def test_stage_times_of_the_written_rows_and_of_their_rollups_agree(jobs: Jobs) -> None:
    """The rollups that the benchmark writes by itself are those of its rows."""
    with Session(jobs.engine) as session:
        run = session.get_one(Run, jobs.completed.run_id)
        sketched, exact = stage_statistics(session, run), stage_statistics(session, run, exact_images=IMAGES)
    assert list(sketched) == list(exact)
    for stage, times in exact.items():
        assert sketched[stage].n == times.n
        assert dataclasses.astuple(sketched[stage]) == pytest.approx(dataclasses.astuple(times), rel=RELATIVE_ERROR)


def test_a_queue_is_counted_without_its_waiting_shards(jobs: Jobs) -> None:
    with Session(jobs.engine) as session, explained(session) as plans:
        depths = queue_depths(session)
    waiting = IMAGES - DONE
    assert (depths["local"].images_waiting, depths["local"].shards_waiting) == (waiting, waiting // SHARD)
    shards = [node for plan in plans for node in nodes(plan) if node.get("Relation Name") == "shards"]
    assert len(shards) == 3, plans  # leased ones, retried ones, the first of each run
    assert most_rows(shards) < 10, plans
