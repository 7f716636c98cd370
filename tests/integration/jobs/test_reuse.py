"""Results taken over from earlier runs of the same tenant."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from fixtures.worker.job_rows import (
    BOXES,
    EVERYTHING,
    claim_one,
    finished,
    make_dataset,
    make_job,
    record_one,
    reload,
    results_of,
    run_out,
    shards_of,
    start_job,
)
from samfleet.db.models import (
    Dataset,
    DatasetImage,
    DatasetSource,
    DatasetState,
    ImageResult,
    Job,
    JobState,
    ReportSeries,
    Rollup,
    Run,
    RunState,
    ShardState,
)
from samfleet.db.session import transaction
from samfleet.jobs.claim import ClaimedShard, LeaseLost, claim
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.delete import delete_job
from samfleet.jobs.export import recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.job_request import ReuseNotPossible
from samfleet.jobs.parts import part_key, read_parts
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.jobs.reuse import ReusedImage, shard_rows, take_over
from samfleet.rollups.rebuild import rebuild_run
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.memory_store import MemoryStore

WEIGHTS = "c" * 64  # those of `finished`
HOUR = timedelta(hours=1)
QUEUE = MemoryTaskQueue()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def first_run(engine: Engine, store: MemoryStore, images: int = 8, *, failed: int = 0, **fields: Any) -> Run:
    """A finished run over shards of four images; `failed` images of each fail."""
    run = start_job(engine, QUEUE, images, **fields)
    while shards_of(engine, run, ShardState.QUEUED):
        record_one(engine, QUEUE, store, claim_one(engine, run), failed=failed)
    finish_run(engine, store, run.id)
    return reload(engine, run)[1]


def next_version(
    engine: Engine, run: Run, *, gone: Sequence[int] = (), changed: Sequence[int] = (), added: int = 0
) -> Dataset:
    """A dataset with the images of a run's: without those at the positions `gone`, with other bytes at `changed`."""
    with transaction(engine) as session:
        base = session.get_one(Dataset, session.get_one(Job, run.job_id).dataset_id)
        rows = select(DatasetImage).where(DatasetImage.dataset_id == base.id).order_by(DatasetImage.position)
        kept = [(row.file_name, row.uri) for row in session.scalars(rows) if row.position not in gone]
        kept = [(name, f"{uri}-2" if int(name[:-4]) in changed else uri) for name, uri in kept]
        kept = [*((f"+{number}.png", f"store:new/{number}") for number in range(added)), *kept]
        dataset = Dataset(tenant_id=base.tenant_id, name="next", source=DatasetSource.UPLOAD, state=DatasetState.SEALED)
        dataset.image_count = len(kept)
        session.add(dataset)
        session.flush()
        for position, (name, uri) in enumerate(kept):
            image = DatasetImage(
                dataset_id=dataset.id, position=position, image_id=position + 1, uri=uri, size_bytes=10
            )
            image.file_name = name
            session.add(image)
        return dataset


def submit(engine: Engine, dataset: Dataset, **fields: Any) -> Run:
    with transaction(engine) as session:
        job = make_job(session, QUEUE, dataset, **{"reuse_results": True, **fields})
    plan_job(engine, QUEUE, job.id, shard_size=4, shards_in_flight=100)
    with transaction(engine) as session:
        return session.scalars(select(Run).where(Run.job_id == job.id)).one()


def without(claimed: ClaimedShard, reused: Sequence[ReusedImage]) -> ClaimedShard:
    taken = {one.image.dataset_image_id for one in reused}
    return replace(claimed, images=tuple(one for one in claimed.images if one.dataset_image_id not in taken))


def store_part(store: MemoryStore, claimed: ClaimedShard, reused: Sequence[ReusedImage]) -> Mapping[str, Any]:
    outcomes = finished(without(claimed, reused))
    key = part_key(claimed.run_id, claimed.index, claimed.token)
    size = write_jsonl_zst(store, key, shard_rows(claimed, outcomes, reused))
    return {"outcomes": outcomes, "part_key": key, "part_bytes": size, "store_ms": 0.25, "reused": reused}


def carry_out(engine: Engine, store: MemoryStore, run: Run, weights: str = WEIGHTS) -> list[str]:
    """Carry out all shards of a run like a worker, and finish it; return the names of the images computed."""
    computed: list[str] = []
    while shards_of(engine, run, ShardState.QUEUED):
        claimed = claim_one(engine, run)
        reused = take_over(engine, store, claimed, weights) if claimed.reuse else []
        computed += [image.file_name for image in without(claimed, reused).images]
        part = store_part(store, claimed, reused)
        with transaction(engine) as session:
            record(session, QUEUE, claimed, shards_in_flight=100, **part)
    finish_run(engine, store, run.id)
    return computed


def lines(engine: Engine, store: MemoryStore, run: Run) -> list[dict[str, Any]]:
    with transaction(engine) as session:
        return list(read_parts(store, recorded_parts(session, run.id)))


def test_only_new_and_changed_images_are_computed(engine: Engine, store: MemoryStore) -> None:
    old = first_run(engine, store)
    dataset = next_version(engine, old, gone=[0], changed=[5], added=2)
    run = submit(engine, dataset)
    assert carry_out(engine, store, run) == ["+0.png", "+1.png", "5.png"]
    job, run = reload(engine, run)
    assert (job.state, run.state) == (JobState.COMPLETED, RunState.COMPLETED)
    assert (run.total, run.succeeded, run.failed, run.reused, run.masks) == (9, 9, 0, 6, 18)
    assert run.provenance["checkpoint_sha256"] == [WEIGHTS]
    results = results_of(engine, run)
    assert [result.image_id for result in results] == list(range(1, 10))
    taken = [result for result in results if result.reused_from]
    assert {result.reused_from for result in taken} == {old.id}
    assert len(taken) == 6
    assert all((result.fetch_ms, result.encode_ms, result.hardware_id) == (None, None, None) for result in taken)
    assert {result.predicted_iou for result in taken} == {0.9}
    rows = lines(engine, store, run)
    assert [row["image_id"] for row in rows] == list(range(1, 10))
    earlier = {row["file_name"]: row for row in lines(engine, store, old)}
    for row, result in zip(rows, results, strict=True):
        assert list(read_parts(store, [result.part_key]))[result.part_line] == row
        assert row.get("reused_from") == (str(old.id) if result.reused_from else None)
        if result.reused_from:
            of_image = ("dataset_image_id", "image_id", "reused_from")
            same = {name: value for name, value in row.items() if name not in of_image}
            assert same == {name: value for name, value in earlier[row["file_name"]].items() if name not in of_image}


def test_rollups_count_only_what_was_computed(engine: Engine, store: MemoryStore) -> None:
    run = submit(engine, next_version(engine, first_run(engine, store), added=3))
    carry_out(engine, store, run)
    for _ in range(2):
        with transaction(engine) as session:
            images = select(func.sum(Rollup.n)).join(ReportSeries, ReportSeries.id == Rollup.series_id)
            assert session.scalar(images.where(ReportSeries.run_id == run.id, Rollup.stage == "image")) == 3
            rebuild_run(session, run.id)


def test_nothing_is_sent_if_all_results_are_taken_over(engine: Engine, store: MemoryStore) -> None:
    run = submit(engine, next_version(engine, first_run(engine, store)))
    assert carry_out(engine, store, run) == []
    job, run = reload(engine, run)
    assert (job.state, run.reused, run.total) == (JobState.COMPLETED, 8, 8)


@pytest.mark.parametrize(
    "fields",
    [
        {"reuse_results": False},
        {"task": {**EVERYTHING, "points_per_side": 8}},
        {"pools": ["other"]},
        {"variants": ["repvit_sam"]},
    ],
)
def test_other_parameters_need_other_masks(engine: Engine, store: MemoryStore, fields: dict[str, Any]) -> None:
    run = submit(engine, next_version(engine, first_run(engine, store, 4)), **fields)
    assert len(carry_out(engine, store, run)) == 4
    assert reload(engine, run)[1].reused == 0


def test_other_weights_and_other_code_need_other_masks(engine: Engine, store: MemoryStore) -> None:
    old = first_run(engine, store, 4)
    dataset = next_version(engine, old)
    assert len(carry_out(engine, store, submit(engine, dataset), "d" * 64)) == 4
    with transaction(engine) as session:
        session.execute(update(Run).where(Run.variant == "mobile_sam").values(model_sha256=None))
    assert len(carry_out(engine, store, submit(engine, dataset))) == 4


def test_failures_are_computed_again(engine: Engine, store: MemoryStore) -> None:
    run = submit(engine, next_version(engine, first_run(engine, store, 8, failed=1)))
    assert carry_out(engine, store, run) == ["0.png", "4.png"]


def test_results_of_other_tenants_and_of_deleted_jobs_are_not_taken_over(engine: Engine, store: MemoryStore) -> None:
    old = first_run(engine, store, 4)
    dataset = next_version(engine, old)
    with transaction(engine) as session:
        other = make_dataset(session, 3)
        dataset_tenant = dataset.tenant_id
        session.execute(update(Dataset).where(Dataset.id == dataset.id).values(tenant_id=other.tenant_id))
    dataset.tenant_id = other.tenant_id
    assert len(carry_out(engine, store, submit(engine, dataset))) == 4
    with transaction(engine) as session:
        session.execute(update(Dataset).where(Dataset.id == dataset.id).values(tenant_id=dataset_tenant))
        delete_job(session, dataset_tenant, old.job_id)
    dataset.tenant_id = dataset_tenant
    assert len(carry_out(engine, store, submit(engine, dataset))) == 4


def test_the_earlier_job_may_be_deleted_and_its_origin_is_kept(engine: Engine, store: MemoryStore) -> None:
    old = first_run(engine, store, 4)
    second = submit(engine, next_version(engine, old))
    carry_out(engine, store, second)
    masks = [row["masks"] for row in lines(engine, store, second)]
    with transaction(engine) as session:
        delete_job(session, session.get_one(Job, old.job_id).tenant_id, old.job_id)
    clean(engine, store, CleanLimits(HOUR, HOUR, HOUR))
    assert list(store.list(f"runs/{old.id}/")) == []
    assert [row["masks"] for row in lines(engine, store, second)] == masks
    third = submit(engine, next_version(engine, second))
    assert carry_out(engine, store, third) == []
    assert {result.reused_from for result in results_of(engine, third)} == {old.id}


def test_a_part_that_is_gone_is_computed(engine: Engine, store: MemoryStore) -> None:
    old = first_run(engine, store)
    store.delete(shards_of(engine, old)[0].part_key or "")
    assert carry_out(engine, store, submit(engine, next_version(engine, old))) == [f"{n}.png" for n in range(4)]


def test_a_worker_that_dies_leaves_one_row_per_image(engine: Engine, store: MemoryStore) -> None:
    run = submit(engine, next_version(engine, first_run(engine, store, 4), added=1, gone=[0]))
    lost = claim_one(engine, run)
    part = store_part(store, lost, take_over(engine, store, lost, WEIGHTS))
    run_out(engine, lost)
    with transaction(engine) as session:
        again = claim(session, lost.shard_id, "w2", HOUR, alone=True)
    assert again is not None
    with transaction(engine) as session, pytest.raises(LeaseLost):
        record(session, QUEUE, lost, shards_in_flight=100, **part)
    assert results_of(engine, run) == []
    reused = take_over(engine, store, again, WEIGHTS)
    with transaction(engine) as session:
        record(session, QUEUE, again, shards_in_flight=100, **store_part(store, again, reused))
    with transaction(engine) as session, pytest.raises(LeaseLost):
        record(session, QUEUE, lost, shards_in_flight=100, **part)
    with transaction(engine) as session:
        counted = session.scalar(select(func.count()).select_from(ImageResult).where(ImageResult.run_id == run.id))
    assert (counted, reload(engine, run)[1].succeeded, reload(engine, run)[1].reused) == (4, 4, 3)


def test_a_file_that_was_written_to_is_computed(engine: Engine, store: MemoryStore, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file in files:
        file.write_bytes(b"ten bytes.")
    old = first_run(engine, store, 4, uris=[file.as_uri() for file in files])
    with transaction(engine) as session:
        for file in files[:3]:
            times = {"modified_ns": file.stat().st_mtime_ns, "changed_ns": file.stat().st_ctime_ns}
            session.execute(update(DatasetImage).where(DatasetImage.uri == file.as_uri()).values(**times))
        dataset = session.get_one(Dataset, session.get_one(Job, old.job_id).dataset_id)
    before = files[1].stat()
    files[1].write_bytes(b"TEN BYTES.")
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    files[2].unlink()
    assert carry_out(engine, store, submit(engine, dataset)) == ["1.png", "2.png", "3.png"]


def test_a_task_that_is_prompted_by_the_dataset_is_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 2, annotated=True)
        with pytest.raises(ReuseNotPossible):
            make_job(session, QUEUE, dataset, task=BOXES, reuse_results=True)
