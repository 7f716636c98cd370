"""Deleted jobs and datasets are removed with all their objects and nothing else, on files and on S3."""

from __future__ import annotations

import io
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError

from fixtures.worker.job_rows import claim_one, make_dataset, make_job, record_one, reload, start_job
from samfleet.datasets.delete import DatasetInUse, delete_dataset
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.service import DatasetNotFound, InputLimits, create_upload
from samfleet.datasets.uploads import put_annotations, seal
from samfleet.db.locks import try_process_lock
from samfleet.db.models import (
    Base,
    Dataset,
    DatasetImage,
    ImageResult,
    Job,
    JobState,
    RemovedPrefix,
    ReportSeries,
    Rollup,
    Run,
    RunQuality,
    SeriesQuality,
    Shard,
    StoreWalk,
    Tenant,
)
from samfleet.db.session import read_only, transaction
from samfleet.jobs import purge
from samfleet.jobs.clean import LOCK, Cleaned, CleanLimits, clean
from samfleet.jobs.delete import JobNotFinished, delete_job
from samfleet.jobs.finish import finish_run
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore, StorageUnavailable

OF_INPUTS = InputLimits()
NOW = timedelta(0)
WEEK = timedelta(days=7)
LIMITS = CleanLimits(grace=NOW, unsealed_after=WEEK, orphans_every=NOW)
PATIENT = replace(LIMITS, grace=timedelta(hours=1))
COCO = b'{"images": [], "annotations": [], "categories": []}'


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


def count(engine: Engine, table: type[Base]) -> int:
    with read_only(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def finished_job(engine: Engine, store: ObjectStore, images: int = 6) -> tuple[Job, Run]:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, images)
    while reload(engine, run)[1].state.value == "running":
        record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    return reload(engine, run)


def uploaded(engine: Engine, store: ObjectStore, names: tuple[str, ...] = ("a.png", "b/a.png")) -> Dataset:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        dataset = create_upload(session, tenant.id)
    files = [UploadedFile(name, io.BytesIO(b"picture")) for name in names]
    add_images(engine, store, tenant.id, dataset.id, files, max_image_bytes=100, limits=OF_INPUTS)
    put_annotations(engine, store, tenant.id, dataset.id, io.BytesIO(COCO), OF_INPUTS.annotations)
    return dataset


def delete(engine: Engine, job: Job, **options: bool) -> None:
    with transaction(engine) as session:
        delete_job(session, job.tenant_id, job.id, **options)


def test_deleting_a_job_removes_its_objects_and_keeps_its_dataset(engine: Engine, store: ObjectStore) -> None:
    job, run = finished_job(engine, store)
    other, _ = finished_job(engine, store, 5)
    store.put(f"runs/{run.id}/thumbnails/1.webp", b"x")
    delete(engine, job)
    assert clean(engine, store, PATIENT).counts() == {"jobs_removed": 1}
    assert keys(store, f"runs/{run.id}/") == []
    with read_only(engine) as session:
        assert session.scalars(select(Job.id)).all() == [other.id]
        assert session.scalars(select(ImageResult.run_id).distinct()).all() != [run.id]
        assert session.get(Dataset, job.dataset_id) is not None
        assert session.scalars(select(Shard.run_id).where(Shard.run_id == run.id)).all() == []
    assert len(keys(store)) == 2
    assert clean(engine, store, PATIENT) == Cleaned()


def test_measurements_of_a_deleted_job_stay_in_the_reports(engine: Engine) -> None:
    store = MemoryStore()
    job, run = finished_job(engine, store)
    with transaction(engine) as session:
        figure = {"metric": "ap", "area": "all", "max_detections": 100, "value": 0.5, "instances": 3}
        session.add(RunQuality(run_id=run.id, **figure))
    rollups = count(engine, Rollup)
    delete(engine, job)
    clean(engine, store, LIMITS)
    assert count(engine, Rollup) == rollups > 0
    with read_only(engine) as session:
        series = session.scalars(select(ReportSeries)).one()
        assert (series.run_id, series.origin_run_id) == (None, run.id)
        assert session.scalars(select(SeriesQuality.value)).all() == [0.5]
        assert session.execute(text("SELECT ap FROM reports.quality")).scalars().all() == [0.5]


def test_measurements_can_be_deleted_too(engine: Engine) -> None:
    store = MemoryStore()
    job, _ = finished_job(engine, store)
    delete(engine, job, forget_measurements=True)
    clean(engine, store, LIMITS)
    assert (count(engine, ReportSeries), count(engine, Rollup)) == (0, 0)


def test_a_running_job_is_cancelled_first_or_refused(engine: Engine, store: ObjectStore) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 8)
    claimed = claim_one(engine, run)
    job, _ = reload(engine, run)
    with pytest.raises(JobNotFinished):
        delete(engine, job)
    delete(engine, job, cancel=True)
    assert reload(engine, run)[0].state is JobState.CANCELLED
    clean(engine, store, PATIENT)
    store.put(f"runs/{run.id}/parts/000000-{claimed.token}.jsonl.zst", b"written by a worker that was under way")
    assert clean(engine, store, PATIENT) == Cleaned()
    with transaction(engine) as session:
        session.execute(update(RemovedPrefix).values(due_at=func.now()))
    assert clean(engine, store, PATIENT).prefixes_emptied == 1
    assert (keys(store), count(engine, RemovedPrefix)) == ([], 0)


def test_a_dataset_and_its_uploads_are_deleted_once_no_job_uses_it(engine: Engine, store: ObjectStore) -> None:
    dataset, kept = uploaded(engine, store), uploaded(engine, store)
    seal(engine, store, dataset.tenant_id, dataset.id, OF_INPUTS)
    with transaction(engine) as session:
        job = make_job(session, MemoryTaskQueue(), session.get_one(Dataset, dataset.id))
    with pytest.raises(DatasetInUse, match=str(job.id)), transaction(engine) as session:
        delete_dataset(session, dataset.tenant_id, dataset.id)
    delete(engine, job, cancel=True)
    for _ in range(2):
        with transaction(engine) as session:
            delete_dataset(session, dataset.tenant_id, dataset.id)
    assert clean(engine, store, PATIENT).counts() == {"jobs_removed": 1, "datasets_removed": 1}
    of_kept = (f"contents/{kept.tenant_id}/", f"datasets/{kept.id}/")
    assert [key for root in of_kept for key in keys(store, root)] == keys(store)
    assert [key.split("/")[2] for key in keys(store)] == ["images", "annotations"]
    assert (count(engine, Dataset), count(engine, DatasetImage)) == (1, 2)


def test_a_job_and_the_deletion_of_its_dataset_exclude_each_other(engine: Engine) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 2)
    with transaction(engine) as session:
        delete_dataset(session, dataset.tenant_id, dataset.id)
    with pytest.raises(DatasetNotFound), transaction(engine) as session:
        make_job(session, MemoryTaskQueue(), dataset)
    with transaction(engine) as session:
        other = make_dataset(session, 3)
    with transaction(engine) as submitting:
        make_job(submitting, MemoryTaskQueue(), other)
        with pytest.raises(OperationalError, match="lock timeout"), transaction(engine) as session:
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            delete_dataset(session, other.tenant_id, other.id)
    with pytest.raises(DatasetInUse), transaction(engine) as session:
        delete_dataset(session, other.tenant_id, other.id)


def test_an_upload_to_a_deleted_dataset_is_refused_and_stores_nothing(engine: Engine, store: ObjectStore) -> None:
    dataset = uploaded(engine, store)
    with transaction(engine) as session:
        delete_dataset(session, dataset.tenant_id, dataset.id)
    with pytest.raises(DatasetNotFound):
        files = [UploadedFile("late.png", io.BytesIO(b"x"))]
        add_images(engine, store, dataset.tenant_id, dataset.id, files, max_image_bytes=100, limits=OF_INPUTS)
    clean(engine, store, PATIENT)
    assert keys(store) == []


def test_an_interrupted_removal_continues(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    job, run = finished_job(engine, store)
    delete(engine, job)
    monkeypatch.setattr(purge, "ROWS_AT_ONCE", 2)
    no_time = CleanLimits(grace=NOW, unsealed_after=WEEK, orphans_every=NOW, pass_seconds=-1.0)
    assert clean(engine, store, no_time) == Cleaned()
    assert keys(store, f"runs/{run.id}/") == []
    assert count(engine, Job) == 1
    assert clean(engine, store, LIMITS).jobs_removed == 1
    assert (count(engine, Job), count(engine, ImageResult)) == (0, 0)


class Failing(MemoryStore):
    """A store that cannot remove one run."""

    broken = ""

    def delete_prefix(self, prefix: str) -> None:
        if prefix == self.broken:
            raise StorageUnavailable
        super().delete_prefix(prefix)


def test_one_job_that_cannot_be_removed_does_not_block_the_others(engine: Engine) -> None:
    store = Failing()
    job, run = finished_job(engine, store)
    other, _ = finished_job(engine, store, 5)
    delete(engine, job)
    delete(engine, other)
    store.broken = f"runs/{run.id}/"
    assert clean(engine, store, LIMITS).jobs_removed == 1
    store.broken = ""
    assert clean(engine, store, LIMITS).jobs_removed == 1


def test_one_process_cleans_at_a_time(engine: Engine) -> None:
    store = MemoryStore()
    job, _ = finished_job(engine, store)
    delete(engine, job)
    with try_process_lock(engine, LOCK) as held:
        assert held
        assert clean(engine, store, LIMITS) == Cleaned()
    assert clean(engine, store, LIMITS).jobs_removed == 1


def test_a_dataset_never_sealed_is_deleted(engine: Engine, store: ObjectStore) -> None:
    stale, fresh, sealed = (uploaded(engine, store) for _ in range(3))
    seal(engine, store, sealed.tenant_id, sealed.id, OF_INPUTS)
    with transaction(engine) as session:
        old = Dataset.id.in_((stale.id, sealed.id))
        session.execute(update(Dataset).where(old).values(changed_at=text("now() - interval '8 days'")))
    assert clean(engine, store, PATIENT).counts() == {"unsealed_deleted": 1, "datasets_removed": 1}
    with read_only(engine) as session:
        assert set(session.scalars(select(Dataset.id))) == {fresh.id, sealed.id}


def test_only_unreferenced_objects_are_deleted(engine: Engine, store: ObjectStore) -> None:
    dataset = uploaded(engine, store)
    _, run = finished_job(engine, store)
    kept = [
        f"datasets/{dataset.id}/thumbnails/x.webp",
        "elsewhere/x",
        f"runs/{run.id}/thumbnails/1.webp",
        "runs/not-a-run/parts/x",
    ]
    for key in kept:
        store.put(key, b"x")
    kept = keys(store)
    orphans = [
        f"contents/{dataset.tenant_id}/images/{uuid.uuid4().hex}",
        f"contents/{uuid.uuid4()}/images/{uuid.uuid4().hex}",
        f"datasets/{dataset.id}/images/{uuid.uuid4().hex}/a.png",
        f"datasets/{dataset.id}/annotations/{uuid.uuid4().hex}.json",
        f"datasets/{uuid.uuid4()}/images/{uuid.uuid4().hex}/a.png",
        f"runs/{run.id}/parts/000000-99.jsonl.zst",
        f"runs/{run.id}/exports/coco.json",
        f"runs/{uuid.uuid4()}/parts/000000-1.jsonl.zst",
    ]
    for key in orphans:
        store.put(key, b"x")
    assert clean(engine, store, PATIENT).orphans_deleted == 0  # all are recent
    assert clean(engine, store, LIMITS).orphans_deleted == len(orphans)
    assert keys(store) == kept


def test_a_walk_over_many_objects_continues_in_the_next_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.jobs.orphans.OBJECTS_AT_ONCE", 3)
    store = MemoryStore()
    for number in range(4):
        store.put(f"datasets/{uuid.uuid4()}/images/{number}/a.png", b"x")
    store.put(f"runs/{uuid.uuid4()}/parts/x", b"x")
    hourly = CleanLimits(grace=NOW, unsealed_after=WEEK, orphans_every=timedelta(hours=1))
    assert [clean(engine, store, hourly).orphans_deleted for _ in range(2)] == [3, 2]
    store.put(f"runs/{uuid.uuid4()}/parts/x", b"x")
    assert clean(engine, store, hourly).orphans_deleted == 0  # the next walk is in an hour
    with transaction(engine) as session:
        session.execute(update(StoreWalk).values(due_at=func.now()))
    assert clean(engine, store, hourly).orphans_deleted == 1
