"""The counters of storage use, compared with a listing of the store and with the rows, through the life of a job."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text, update

from fixtures.worker.ended_runs import new_export
from fixtures.worker.job_rows import claim_one, make_job, record_one
from samfleet.datasets.delete import delete_dataset
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.service import InputLimits, create_upload
from samfleet.datasets.uploads import put_annotations, put_detections, seal
from samfleet.db.models import (
    Dataset,
    DatasetAnnotation,
    DatasetDetection,
    DatasetImage,
    ImageResult,
    Job,
    Run,
    Tenant,
)
from samfleet.db.session import read_only, transaction
from samfleet.exports.build import build_export
from samfleet.jobs import purge
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.delete import delete_job
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.export import Export, ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.parts import run_prefix
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.retry import retry_job
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.storage.memory_store import MemoryStore
from samfleet_api.runs.repository import add_picture
from samfleet_api.storage.repository import TenantUse, Use, largest, of_job, of_tenants

NOW = timedelta(0)
OF_INPUTS = InputLimits()
CLEANED = CleanLimits(grace=NOW, unsealed_after=timedelta(days=7), orphans_every=NOW)
SWEPT = SweepLimits(shards_in_flight=100, max_shard_attempts=3, orphan_grace=NOW)
IMAGES = 6


def coco(annotations: int) -> bytes:
    images = [{"id": number + 1, "file_name": f"{number}.png"} for number in range(IMAGES)]
    boxes = [
        {"id": number + 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}
        for number in range(annotations)
    ]
    body = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "box"}]}
    return json.dumps(body).encode()


def detections(count: int) -> bytes:
    one = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5}
    return json.dumps([one] * count).encode()


class Life:
    """A tenant with its store."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.queue, self.store = engine, MemoryTaskQueue(), MemoryStore()
        with transaction(engine) as session:
            tenant = Tenant(name=uuid.uuid4().hex)
            session.add(tenant)
            session.flush()
            self.tenant = tenant.id

    def upload(self) -> uuid.UUID:
        """Upload a dataset; its annotations and detections replace earlier ones."""
        with transaction(self.engine) as session:
            dataset = create_upload(session, self.tenant).id
        place = (self.engine, self.store, self.tenant, dataset)
        for number in range(IMAGES):
            files = [UploadedFile(f"{number}.png", io.BytesIO(b"x" * (number + 10)))]
            add_images(*place, files, max_image_bytes=100, limits=OF_INPUTS)
        for count in (5, 2):
            put_annotations(*place, io.BytesIO(coco(count)), OF_INPUTS.annotations)
            put_detections(*place, io.BytesIO(detections(count + 1)), OF_INPUTS.annotations)
        self.check()
        seal(*place, OF_INPUTS)
        return dataset

    def submit(self, dataset: uuid.UUID, **fields: Any) -> Run:
        with transaction(self.engine) as session:
            job = make_job(session, self.queue, session.get_one(Dataset, dataset), evaluate=False, **fields)
        plan_job(self.engine, self.queue, job.id, shard_size=2, shards_in_flight=100)
        with transaction(self.engine) as session:
            return session.scalars(select(Run).where(Run.job_id == job.id)).one()

    def record(self, run: Run, *failures: int) -> None:
        for failed in failures:
            record_one(self.engine, self.queue, self.store, claim_one(self.engine, run), failed=failed)
        finish_run(self.engine, self.store, run.id)

    def retry(self, run: Run) -> None:
        with transaction(self.engine) as session:
            retry_job(session, self.queue, self.tenant, run.job_id)
        with transaction(self.engine) as session:
            dispatch_run(session, self.queue, run.id, 100)

    def keep_picture(self, run: Run, size: int) -> None:
        key = f"{run_prefix(run.id)}pictures/1-320.png"
        self.store.put(key, b"x" * size)
        with transaction(self.engine) as session:
            add_picture(session, run.id, key, size)

    def export(self, run: Run, form: str) -> None:
        export = new_export(self.engine, self.queue, run, form)
        build_export(self.engine, self.store, export.id, 100)

    def delete(self, run: Run) -> None:
        with transaction(self.engine) as session:
            delete_job(session, self.tenant, run.job_id)

    def sweep(self) -> None:
        sweep(self.engine, self.queue, self.store, SWEPT)

    def clean(self) -> None:
        clean(self.engine, self.store, CLEANED)

    @property
    def use(self) -> TenantUse:
        with read_only(self.engine) as session:
            return of_tenants(session, [self.tenant])[self.tenant]

    def check(self) -> None:
        """Compare the counters with the listing of the store."""
        listed = {"datasets": [0, 0], "parts": [0, 0], "pictures": [0, 0], "exports": [0, 0]}
        for found in self.store.list(""):
            root, _, folder, *_ = found.key.split("/")
            kind = listed["datasets" if root in {"contents", "datasets"} else folder]
            kind[0], kind[1] = kind[0] + found.size, kind[1] + 1
        use = self.use
        kinds = (use.uploads, use.results, use.pictures, use.exports)
        assert [[one.bytes, one.objects] for one in kinds] == list(listed.values())

    def check_rows(self) -> None:
        """Compare the counters with the rows."""
        with read_only(self.engine) as session:
            tables = (DatasetImage, DatasetAnnotation, DatasetDetection, ImageResult)
            counted = [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]
        assert (self.use.uploads.rows, self.use.results.rows) == (sum(counted[:3]), counted[3])


@pytest.fixture
def life(engine: Engine) -> Life:
    return Life(engine)


def test_the_figures_equal_a_listing_through_the_life_of_jobs(life: Life, engine: Engine) -> None:
    dataset = life.upload()
    life.check()
    life.check_rows()
    assert life.use.uploads.objects == IMAGES + 2
    first, second = life.submit(dataset), life.submit(dataset, keep_days=1)
    life.record(first, 1, 0, 2)
    life.record(second, 0, 0, 0)
    life.keep_picture(first, 40)
    life.keep_picture(first, 50)  # made again
    life.check()
    life.check_rows()
    assert life.use.results.objects == 6
    for run, forms in ((first, ("coco", "jsonl")), (second, ("instances",))):
        for name in forms:
            life.export(run, name)
    life.check()
    assert life.use.exports.objects == 3
    for form in (ExportFormat.COCO, ExportFormat.JSONL):  # downloads store nothing
        with read_only(engine) as session:
            parts = recorded_parts(session, first.id)
        assert b"".join(iter_export(life.store, parts, Export(form)))
    life.check()
    life.retry(first)
    life.check()  # the results stay until others replace them
    life.record(first, 1, 0)
    assert len(list(life.store.list(f"{run_prefix(first.id)}parts/"))) == 5  # two that nothing refers to
    life.sweep()
    life.check()
    life.check_rows()
    life.delete(first)
    life.check()  # it counts until it is removed
    life.clean()
    life.check()
    life.check_rows()
    with transaction(engine) as session:
        session.execute(update(Job).values(finished_at=text("now() - interval '2 days'")))
    life.clean()  # the retention of the second job is over
    life.check()
    life.check_rows()
    assert life.use.results == Use()
    with transaction(engine) as session:
        delete_dataset(session, life.tenant, dataset)
    life.clean()
    assert list(life.store.list("")) == []
    assert life.use == TenantUse()


def test_an_interrupted_removal_counts_no_removed_object(
    life: Life, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = life.submit(life.upload())
    life.record(run, 0, 0, 0)
    life.keep_picture(run, 40)
    life.delete(run)
    no_time = CleanLimits(grace=NOW, unsealed_after=timedelta(days=7), orphans_every=NOW, pass_seconds=-1.0)
    monkeypatch.setattr(purge, "ROWS_AT_ONCE", 2)
    clean(engine, life.store, no_time)
    assert list(life.store.list("runs/")) == []
    life.check()
    assert life.use.results.rows == IMAGES  # the rows are still there
    life.clean()
    life.check_rows()


def test_objects_without_rows_are_not_counted_and_are_deleted(life: Life) -> None:
    run = life.submit(life.upload())
    life.record(run, 0, 0, 0)
    # of killed workers, and of a killed API
    for folder in ("parts/000000-99.jsonl.zst", f"exports/{uuid.uuid4()}-1.json", "pictures/9-320.png"):
        life.store.put(f"{run_prefix(run.id)}{folder}", b"x")
    life.clean()
    life.check()


def test_a_picture_of_a_removed_run_is_not_counted(life: Life, engine: Engine) -> None:
    with transaction(engine) as session:
        add_picture(session, uuid.uuid4(), "runs/x/pictures/1-320.png", 40)
    assert life.use == TenantUse()


def test_the_largest_jobs_and_datasets_come_first(life: Life, engine: Engine) -> None:
    dataset = life.upload()
    small, large = life.submit(dataset), life.submit(dataset, name="large")
    record_one(engine, life.queue, life.store, claim_one(engine, small))
    life.record(large, 0, 0, 0)
    with read_only(engine) as session:
        found = largest(session, life.tenant, 10)
        assert {item.id: item.use for item in found}[large.job_id] == of_job(session, large.job_id).results
    assert [item.use.bytes for item in found] == sorted((item.use.bytes for item in found), reverse=True)
    assert {(item.kind.value, item.id, item.name) for item in found} == {
        ("job", small.job_id, None),
        ("job", large.job_id, "large"),
        ("dataset", dataset, "upload"),
    }
    life.record(small, 0, 0)
    life.delete(small)
    with read_only(engine) as session:
        assert len(largest(session, life.tenant, 10)) == 2
        assert len(largest(session, life.tenant, 1)) == 1
