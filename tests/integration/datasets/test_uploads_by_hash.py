from __future__ import annotations

import hashlib
import io
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from samfleet.datasets.content import read_image
from samfleet.datasets.delete import delete_dataset
from samfleet.datasets.image_uploads import ByHash, NamedHash, UploadedFile, add_by_hash, add_images
from samfleet.datasets.service import DatasetTooLarge, InputLimits, create_upload
from samfleet.datasets.upload_errors import DatasetSealed, FileNameTaken, ImageTooLarge
from samfleet.datasets.uploads import seal
from samfleet.db.models import Dataset, DatasetImage, StoredContent, Tenant
from samfleet.db.session import read_only, transaction
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.storage.memory_store import MemoryStore

NOW = timedelta(0)
CLEANED = CleanLimits(grace=NOW, unsealed_after=timedelta(days=7), orphans_every=NOW)


class Uploader:
    """A tenant that uploads files of which only the bytes matter."""

    def __init__(self, engine: Engine, store: MemoryStore, limits: InputLimits | None = None) -> None:
        self.engine, self.store, self.limits = engine, store, limits or InputLimits(images=5, total_bytes=40)
        with transaction(engine) as session:
            tenant = Tenant(name=uuid.uuid4().hex)
            session.add(tenant)
            session.flush()
            self.id = tenant.id

    def dataset(self) -> uuid.UUID:
        with transaction(self.engine) as session:
            return create_upload(session, self.id).id

    def send(self, dataset_id: uuid.UUID, **files: bytes) -> None:
        uploads = [UploadedFile(name, io.BytesIO(content)) for name, content in files.items()]
        add_images(self.engine, self.store, self.id, dataset_id, uploads, max_image_bytes=10, limits=self.limits)

    def ask(self, dataset_id: uuid.UUID, **files: bytes) -> ByHash:
        hashes = [NamedHash(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
        return add_by_hash(self.engine, self.id, dataset_id, hashes, max_image_bytes=10, limits=self.limits)

    def images(self, dataset_id: uuid.UUID) -> dict[str, bytes]:
        with read_only(self.engine) as session:
            rows = session.scalars(select(DatasetImage).where(DatasetImage.dataset_id == dataset_id)).all()
        return {row.file_name: read_image(self.store, row.uri, 10) for row in rows}

    def delete(self, dataset_id: uuid.UUID) -> None:
        with transaction(self.engine) as session:
            delete_dataset(session, self.id, dataset_id)
        clean(self.engine, self.store, CLEANED)

    def stored(self) -> int:
        return len(list(self.store.list(f"contents/{self.id}/")))


@pytest.fixture
def uploader(engine: Engine) -> Uploader:
    return Uploader(engine, MemoryStore())


def test_bytes_that_were_uploaded_are_shared_until_the_last_dataset_goes(uploader: Uploader) -> None:
    first, second = uploader.dataset(), uploader.dataset()
    uploader.send(first, a=b"one", b=b"two", c=b"one")
    assert uploader.stored() == 2
    assert uploader.ask(second, x=b"two", y=b"three", z=b"one") == ByHash(["y"], added=2, present=0)
    assert uploader.images(second) == {"x": b"two", "z": b"one"}
    uploader.delete(first)
    assert uploader.images(second) == {"x": b"two", "z": b"one"}
    uploader.send(second, y=b"two")
    assert uploader.stored() == 2
    uploader.delete(second)
    assert uploader.stored() == 0
    with read_only(uploader.engine) as session:
        assert session.scalars(select(StoredContent)).all() == []


def test_a_hash_gives_nobody_the_bytes_of_another_tenant(uploader: Uploader) -> None:
    uploader.send(uploader.dataset(), a=b"secret")
    other = Uploader(uploader.engine, uploader.store)
    dataset = other.dataset()
    assert other.ask(dataset, a=b"secret") == ByHash(["a"], added=0, present=0)
    assert other.images(dataset) == {}
    other.send(dataset, a=b"secret")
    assert (other.stored(), uploader.stored()) == (1, 1)
    other.delete(dataset)
    assert (other.stored(), uploader.stored()) == (0, 1)


def test_a_repeated_request_changes_nothing(uploader: Uploader) -> None:
    dataset = uploader.dataset()
    uploader.send(dataset, a=b"one")
    uploader.send(dataset, a=b"one", b=b"two")
    assert uploader.ask(dataset, a=b"one", c=b"two", d=b"new") == ByHash(["d"], added=1, present=1)
    assert uploader.ask(dataset, a=b"one", c=b"two", d=b"new") == ByHash(["d"], added=0, present=2)
    with read_only(uploader.engine) as session:
        row = session.get_one(Dataset, dataset)
        assert (row.image_count, row.stored_bytes, row.content_bytes, row.stored_objects) == (3, 9, 9, 3)


def test_requests_by_hash_are_checked_like_uploads(uploader: Uploader) -> None:
    dataset = uploader.dataset()
    uploader.send(dataset, a=b"x" * 10, b=b"two")
    with pytest.raises(FileNameTaken, match="'a'"):
        uploader.ask(dataset, a=b"other")
    with pytest.raises(FileNameTaken, match="'a'"):
        uploader.ask(dataset, a=b"two")
    with pytest.raises(ImageTooLarge, match="'c' has more than 10 bytes"):
        uploader.ask(dataset, c=b"x" * 11)
    with pytest.raises(DatasetTooLarge, match="more than 40 bytes"):
        uploader.ask(dataset, c=b"x" * 10, d=b"x" * 10, e=b"x" * 10)
    with pytest.raises(DatasetTooLarge, match="more than 5 images"):
        uploader.ask(dataset, **dict.fromkeys("cdef", b"two"))
    assert sorted(uploader.images(dataset)) == ["a", "b"]
    seal(uploader.engine, uploader.store, uploader.id, dataset, uploader.limits)
    with pytest.raises(DatasetSealed):
        uploader.ask(dataset, c=b"two")


def test_bytes_that_two_requests_store_at_once_are_kept_once(uploader: Uploader) -> None:
    first, second = uploader.dataset(), uploader.dataset()

    class Slow(io.BytesIO):
        """A file whose bytes another request sends too, after the server has looked for them."""

        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.reads += self.tell() == 0
            if self.reads == 2:
                self.reads += 1
                uploader.send(second, b=b"same")
            return super().read(size)

    slow = [UploadedFile("a", Slow(b"same"))]
    limits = uploader.limits
    add_images(uploader.engine, uploader.store, uploader.id, first, slow, max_image_bytes=10, limits=limits)
    assert uploader.stored() == 1
    assert (uploader.images(first), uploader.images(second)) == ({"a": b"same"}, {"b": b"same"})
