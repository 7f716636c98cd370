"""The objects that rows name, and deletions of objects while a backup holds them."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text, update

from fixtures.worker.ended_runs import ended_run, new_export
from samfleet.datasets.delete import delete_dataset
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.service import InputLimits, create_upload
from samfleet.datasets.uploads import put_annotations, seal
from samfleet.db.models import Dataset, DatasetImage, Export, Job, Run, RunPicture, Tenant
from samfleet.db.object_hold import hold_objects
from samfleet.db.session import read_only, transaction
from samfleet.exports.build import build_export
from samfleet.exports.delete import delete_expired_exports, delete_objects
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.delete import delete_job
from samfleet.jobs.named_objects import NamedObject, ObjectKind, named_objects
from samfleet.jobs.parts import part_key
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore

LIMITS = InputLimits()
AT_ONCE = CleanLimits(grace=timedelta(0), unsealed_after=timedelta(days=7), orphans_every=timedelta(0))
SWEEP = SweepLimits(shards_in_flight=1, max_shard_attempts=3, orphan_grace=timedelta(0))
COCO = b'{"images": [], "annotations": [], "categories": []}'


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def named(engine: Engine) -> list[NamedObject]:
    """Return the objects without the images of `ended_run`, which have no bytes in the store."""
    with read_only(engine) as session:
        return [one for one in named_objects(session) if not one.key.startswith("uploads/")]


def keys(store: ObjectStore) -> list[str]:
    return [found.key for found in store.list("")]


def uploaded(engine: Engine, store: ObjectStore) -> Dataset:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        dataset = create_upload(session, tenant.id)
    files = [UploadedFile(name, io.BytesIO(name.encode())) for name in ("a.png", "b.png")]
    add_images(engine, store, tenant.id, dataset.id, files, max_image_bytes=100, limits=LIMITS)
    put_annotations(engine, store, tenant.id, dataset.id, io.BytesIO(COCO), LIMITS.annotations)
    return dataset


def exported(engine: Engine, store: ObjectStore, images: int = 7) -> tuple[Run, Export]:
    """Return a run with an export. The tenant's name has the number of images, so it differs from run to run."""
    run = ended_run(engine, store, images)
    export = new_export(engine, MemoryTaskQueue(), run, "coco")
    build_export(engine, store, export.id, 1000)
    return run, export


def delete(engine: Engine, run: Run) -> None:
    with transaction(engine) as session:
        job = session.get_one(Job, run.job_id)
        delete_job(session, job.tenant_id, job.id)


def test_rows_name_every_object_of_each_kind(engine: Engine, store: MemoryStore) -> None:
    dataset = uploaded(engine, store)
    run, _ = exported(engine, store)
    store.put(picture := f"runs/{run.id}/pictures/1.webp", b"x")
    store.put(image := f"datasets/{dataset.id}/images/c.tif", b"x")
    with transaction(engine) as session:
        session.add(RunPicture(run_id=run.id, key=picture, bytes=1))
        frames = [
            DatasetImage(dataset_id=dataset.id, file_name=f"c.tif/{number}.png", uri=f"frame:{number}:store:{image}")
            for number in range(2)
        ]
        for frame in frames:
            frame.size_bytes = 1
        session.add_all(frames)
    found = named(engine)
    assert [one.key for one in found] == keys(store)
    kinds = [one.kind for one in found]
    assert {kind: kinds.count(kind) for kind in ObjectKind} == {
        ObjectKind.PART: 2,
        ObjectKind.PICTURE: 1,
        ObjectKind.EXPORT: 1,
        ObjectKind.CONTENT: 2,
        ObjectKind.FILE: 2,
    }
    assert {str(one.owner) for one in found} == {one.key.split("/")[1] for one in found}


def test_objects_of_deleted_jobs_and_datasets_are_not_named(engine: Engine, store: MemoryStore) -> None:
    dataset = uploaded(engine, store)
    run = ended_run(engine, store)
    delete(engine, run)
    with transaction(engine) as session:
        delete_dataset(session, dataset.tenant_id, dataset.id)
    contents = [key for key in keys(store) if key.startswith("contents/")]
    assert [one.key for one in named(engine)] == contents  # their rows are deleted before their objects


def test_no_one_deletes_objects_while_they_are_held(engine: Engine, store: MemoryStore) -> None:
    dataset = uploaded(engine, store)
    deleted_run, (run, export), (_, expired) = (
        ended_run(engine, store),
        exported(engine, store),
        exported(engine, store, 5),
    )
    store.put(part_key(run.id, 0, 99), b"written by a worker that had lost its shard")
    with transaction(engine) as session:
        session.execute(update(Export).where(Export.id == expired.id).values(keep_days=1))
        session.execute(update(Export).values(finished_at=text("now() - interval '2 days'")))
    before = keys(store)
    with hold_objects(engine):
        delete(engine, deleted_run)
        put_annotations(engine, store, dataset.tenant_id, dataset.id, io.BytesIO(COCO), LIMITS.annotations)
        with transaction(engine) as session:
            key = session.get_one(Export, export.id).key
        assert key is not None
        delete_objects(engine, store, [key])
        assert delete_expired_exports(engine, store, 100) == 0
        assert clean(engine, store, AT_ONCE).counts() == {}
        assert sweep(engine, MemoryTaskQueue(), store, SWEEP).parts_deleted == 0
        assert set(before) < set(keys(store))


def test_what_was_held_is_deleted_afterwards(engine: Engine, store: MemoryStore) -> None:
    dataset = uploaded(engine, store)
    run, (_, expired) = ended_run(engine, store), exported(engine, store)
    store.put(part_key(run.id, 0, 99), b"written by a worker that had lost its shard")
    with transaction(engine) as session:
        session.execute(update(Export).where(Export.id == expired.id).values(keep_days=1))
        session.execute(update(Export).values(finished_at=text("now() - interval '2 days'")))
    with hold_objects(engine):
        put_annotations(engine, store, dataset.tenant_id, dataset.id, io.BytesIO(COCO), LIMITS.annotations)
    assert delete_expired_exports(engine, store, 100) == 1
    assert sweep(engine, MemoryTaskQueue(), store, SWEEP).parts_deleted == 1
    assert clean(engine, store, AT_ONCE).counts() == {"orphans_deleted": 1}
    assert keys(store) == [one.key for one in named(engine)]


def test_an_upload_in_a_sealed_dataset_stays_named(engine: Engine, store: MemoryStore) -> None:
    dataset = uploaded(engine, store)
    seal(engine, store, dataset.tenant_id, dataset.id, LIMITS)
    assert [one.key for one in named(engine)] == keys(store)
