"""Listing of large folders by a task."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import OperationalError

from samfleet.datasets import listing as listings
from samfleet.datasets.delete import delete_dataset
from samfleet.datasets.listing import ListingRequest, create_listing, create_sealed, list_at_once, list_directory
from samfleet.datasets.service import InputLimits
from samfleet.db.models import Dataset, DatasetImage, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.jobs import listing as task
from samfleet.jobs.abandon import LISTING_FAILED, MOST_FAILURES, bounded_listing
from samfleet.jobs.listing import list_dataset
from samfleet.jobs.queue import MemoryTaskQueue, TaskName
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LIMITS = InputLimits()
SWEEP = SweepLimits(shards_in_flight=2, max_shard_attempts=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.jpg", "sub/Größe.png", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    return tmp_path / "photos"


def begin(engine: Engine, folder: Path, **options: object) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        request = ListingRequest(str(folder), **options)  # type: ignore[arg-type]
        return create_listing(session, tenant.id, request).id


def read(engine: Engine, dataset_id: uuid.UUID) -> Dataset:
    with transaction(engine) as session:
        return session.get_one(Dataset, dataset_id)


def images(engine: Engine, dataset_id: uuid.UUID) -> list[tuple[int | None, str]]:
    with transaction(engine) as session:
        query = select(DatasetImage).where(DatasetImage.dataset_id == dataset_id).order_by(DatasetImage.position)
        return [(row.position, row.file_name) for row in session.scalars(query)]


def test_a_task_makes_the_same_dataset_as_a_listing_at_once(engine: Engine, folder: Path) -> None:
    dataset_id = begin(engine, folder)
    assert read(engine, dataset_id).state is DatasetState.LISTING
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    with transaction(engine) as session:
        listed = session.get_one(Dataset, dataset_id)
        found = list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS)
        assert found is not None
        at_once_id = create_sealed(session, listed.tenant_id, found).id
    at_once = read(engine, at_once_id)
    for one in (listed, at_once):
        assert (one.state, one.image_count, one.name) == (DatasetState.SEALED, 3, "photos")
    assert listed.content_sha256 == at_once.content_sha256
    assert listed.left_out == at_once.left_out == [{"reason": "other", "count": 1, "examples": ["notes.txt"]}]
    assert images(engine, dataset_id) == [(0, "a.jpg"), (1, "b.jpg"), (2, "sub/Größe.png")]


def test_a_large_folder_or_file_is_not_listed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "ENTRIES_AT_ONCE", 5)
    assert list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS) is not None
    monkeypatch.setattr(listings, "ENTRIES_AT_ONCE", 4)
    assert list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS) is None
    monkeypatch.setattr(listings, "BYTES_AT_ONCE", 4)
    request = ListingRequest(str(folder / "sub"), annotations_path=str(folder / "notes.txt"))
    assert list_at_once(request, [folder.parent], LIMITS) is None


def test_a_folder_on_a_slow_disk_is_not_listed_at_once_unless_it_is_small(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "SECONDS_AT_ONCE", -1.0)
    assert list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS) is not None
    monkeypatch.setattr(listings, "ENTRIES_AT_LEAST", 5)  # all that the folder has
    assert list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS) is not None
    monkeypatch.setattr(listings, "ENTRIES_AT_LEAST", 4)
    assert list_at_once(ListingRequest(str(folder)), [folder.parent], LIMITS) is None


def test_a_folder_that_cannot_be_listed_fails_its_dataset(engine: Engine, folder: Path) -> None:
    dataset_id = begin(engine, folder, annotations_path=str(folder / "notes.txt"))
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    dataset = read(engine, dataset_id)
    assert (dataset.state, dataset.error_code, dataset.image_count) == (DatasetState.FAILED, "annotations_invalid", 0)
    assert images(engine, dataset_id) == []
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert read(engine, dataset_id).state is DatasetState.FAILED


def test_strict_annotations_leave_no_images_of_a_failed_dataset(engine: Engine, folder: Path) -> None:
    (folder / "coco.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": "x"}]}'
    )
    dataset_id = begin(engine, folder, annotations_path=str(folder / "coco.json"), strict_annotations=True)
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert read(engine, dataset_id).error_code == "annotations_unmatched"
    assert images(engine, dataset_id) == []


def test_progress_is_shown_while_the_folder_is_listed_and_written(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "SIGN_OF_LIFE_SECONDS", -1.0)
    dataset_id = begin(engine, folder)
    shown = []

    def watched(*arguments: object, **options: object) -> object:
        found = list_directory(*arguments, **options)  # type: ignore[arg-type]
        shown.append(read(engine, dataset_id).listed)
        return found

    monkeypatch.setattr(task, "list_directory", watched)

    def written(*arguments: object) -> None:
        listings.write_images(*arguments)  # type: ignore[arg-type]
        shown.append(read(engine, dataset_id).image_count)

    monkeypatch.setattr(task, "write_images", written)
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert shown == [5, 3]  # files and folders; images


def test_two_tasks_of_a_dataset_write_it_once(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = begin(engine, folder)
    calls: list[int] = []

    def once_more(*arguments: object, **options: object) -> object:
        calls.append(1)
        list_dataset(engine, dataset_id, [folder.parent], LIMITS)  # returns: the dataset is being listed
        return list_directory(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(task, "list_directory", once_more)
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert (len(calls), len(images(engine, dataset_id))) == (1, 3)


def test_a_dataset_deleted_meanwhile_gets_no_images(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = begin(engine, folder)

    def deleted(*arguments: object) -> None:
        with transaction(engine) as session:
            delete_dataset(session, session.get_one(Dataset, dataset_id).tenant_id, dataset_id)
        listings.write_images(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(task, "write_images", deleted)
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert images(engine, dataset_id) == []
    assert read(engine, dataset_id).state is DatasetState.LISTING
    assert sweep(engine, MemoryTaskQueue(), MemoryStore(), SWEEP).listings_resent == 0


def test_the_task_of_a_killed_worker_is_sent_again(engine: Engine, folder: Path) -> None:
    dataset_id, queue = begin(engine, folder), MemoryTaskQueue()
    assert sweep(engine, queue, MemoryStore(), SWEEP).listings_resent == 0
    with transaction(engine) as session:
        old = update(Dataset).where(Dataset.id == dataset_id)
        session.execute(old.values(sent_at=text("now() - interval '1 day'")))
    assert sweep(engine, queue, MemoryStore(), SWEEP).listings_resent == 1
    assert [(sent.task, sent.args) for sent in queue.sent] == [(TaskName.LIST, (str(dataset_id),))]
    assert sweep(engine, queue, MemoryStore(), SWEEP).listings_resent == 0


def test_a_killed_listing_leaves_nothing_and_the_next_one_begins_again(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = begin(engine, folder)

    def killed(*arguments: object) -> None:
        listings.write_images(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(task, "write_images", killed)
        list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert images(engine, dataset_id) == []
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    assert len(images(engine, dataset_id)) == 3


def test_a_listing_that_waits_shows_why_until_it_is_done(engine: Engine, folder: Path) -> None:
    dataset_id = begin(engine, folder)
    for _ in range(MOST_FAILURES + 1):  # a store may be away for any time
        with pytest.raises(StorageUnavailable), bounded_listing(engine, dataset_id):
            raise StorageUnavailable("s3://photos: SlowDown; it is tried again")
    waiting = read(engine, dataset_id)
    assert (waiting.state, waiting.error_code) == (DatasetState.LISTING, "storage_unavailable")
    assert waiting.error_message == "s3://photos: SlowDown; it is tried again"
    list_dataset(engine, dataset_id, [folder.parent], LIMITS)
    sealed = read(engine, dataset_id)
    assert (sealed.state, sealed.error_code, sealed.error_message) == (DatasetState.SEALED, None, None)


def test_unexpected_errors_fail_the_dataset_in_the_end(engine: Engine, folder: Path) -> None:
    dataset_id = begin(engine, folder)
    for _ in range(MOST_FAILURES):
        assert read(engine, dataset_id).state is DatasetState.LISTING
        with pytest.raises(ZeroDivisionError), bounded_listing(engine, dataset_id):
            raise ZeroDivisionError
        with pytest.raises(OperationalError), bounded_listing(engine, dataset_id):
            raise OperationalError("", {}, Exception("the database is away"))
    dataset = read(engine, dataset_id)
    assert (dataset.state, dataset.error_code) == (DatasetState.FAILED, LISTING_FAILED)
