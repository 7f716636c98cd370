from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from samfleet.datasets.annotation_entries import AnnotationsInvalid
from samfleet.datasets.detections import DetectionsInvalid
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.names import FileNameInvalid
from samfleet.datasets.service import DatasetTooLarge, InputLimits, create_upload
from samfleet.datasets.upload_errors import DatasetChanged, DatasetSealed, FileNameTaken, ImageTooLarge
from samfleet.datasets.uploads import put_annotations, put_detections, seal
from samfleet.db.models import Dataset, DatasetAnnotation, DatasetDetection, DatasetImage, DatasetState, Tenant
from samfleet.db.session import read_only, transaction
from samfleet.storage.memory_store import MemoryStore

LIMITS = InputLimits(images=5, total_bytes=40)
OF_ANNOTATIONS = LIMITS.annotations
OF_IMAGES: Any = {"max_image_bytes": 10, "limits": LIMITS}


class Uploads:
    """An open dataset and the operations of a client on it."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self.engine, self.store = engine, store
        with transaction(engine) as session:
            tenant = Tenant(name=uuid.uuid4().hex)
            session.add(tenant)
            session.flush()
            self.dataset_id, self.tenant_id = create_upload(session, tenant.id).id, tenant.id

    def add(self, *names: str, content: bytes = b"image") -> list[str]:
        return self.add_all([(name, content) for name in names])

    def add_all(self, contents: Sequence[tuple[str, bytes]]) -> list[str]:
        files = [UploadedFile(name, io.BytesIO(content)) for name, content in contents]
        added = add_images(self.engine, self.store, self.tenant_id, self.dataset_id, files, **OF_IMAGES)
        return [image.uri for image in added]

    def annotate(self, images: dict[str, int]) -> int | None:
        triangle = [[0, 0, 4, 0, 4, 3]]
        document = {
            "images": [{"id": image_id, "file_name": name} for name, image_id in images.items()],
            "annotations": [
                {"id": n, "image_id": image_id, "category_id": 1, "segmentation": triangle}
                for n, image_id in enumerate(images.values())
            ],
        }
        content = io.BytesIO(json.dumps(document).encode())
        return put_annotations(
            self.engine, self.store, self.tenant_id, self.dataset_id, content, OF_ANNOTATIONS
        ).annotation_count

    def detect(self, *image_ids: int) -> int | None:
        found = [{"image_id": image_id, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5} for image_id in image_ids]
        content = io.BytesIO(json.dumps(found).encode())
        return put_detections(
            self.engine, self.store, self.tenant_id, self.dataset_id, content, OF_ANNOTATIONS
        ).detection_count

    def detected(self) -> list[tuple[int, int]]:
        query = select(DatasetDetection.detection_id, DatasetDetection.image_id)
        with read_only(self.engine) as session:
            rows = session.execute(query.order_by(DatasetDetection.detection_id))
            return [(row.detection_id, row.image_id) for row in rows]

    def seal(self) -> DatasetState:
        return seal(self.engine, self.store, self.tenant_id, self.dataset_id, InputLimits()).state

    def rows(self) -> list[tuple[int | None, int | None, str]]:
        with read_only(self.engine) as session:
            query = select(DatasetImage).where(DatasetImage.dataset_id == self.dataset_id)
            rows = session.scalars(query.order_by(DatasetImage.position, DatasetImage.id)).all()
        return [(row.position, row.image_id, row.file_name) for row in rows]

    def stored(self) -> list[str]:
        roots = (f"contents/{self.tenant_id}/", f"datasets/{self.dataset_id}/")
        return [info.key for root in roots for info in self.store.list(root)]

    def named(self) -> set[str]:
        """Return the keys of the objects that rows refer to."""
        with read_only(self.engine) as session:
            uris = session.scalars(select(DatasetImage.uri).where(DatasetImage.dataset_id == self.dataset_id)).all()
            annotations = session.scalars(select(Dataset.annotations_key).where(Dataset.id == self.dataset_id)).one()
        return {uri.removeprefix("store:") for uri in uris} | ({annotations} if annotations else set())


@contextmanager
def losing_the_answer() -> Iterator[None]:
    """Let commits be carried out, and then fail as if the connection were lost before the server's answer."""

    def lose(_session: Session) -> None:
        raise ConnectionError

    event.listen(Session, "after_commit", lose)
    try:
        yield
    finally:
        event.remove(Session, "after_commit", lose)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def uploads(engine: Engine, store: MemoryStore) -> Uploads:
    return Uploads(engine, store)


def test_images_are_stored_and_numbered_on_sealing(uploads: Uploads) -> None:
    (uri,) = uploads.add("b.jpg")
    assert uploads.store.get(uri.removeprefix("store:")) == b"image"
    uploads.add("sub/b.jpg", "a.jpg", "Z.jpg")
    assert {row[:2] for row in uploads.rows()} == {(None, None)}
    assert uploads.seal() is DatasetState.SEALED
    assert uploads.rows() == [(0, 1, "Z.jpg"), (1, 2, "a.jpg"), (2, 3, "b.jpg"), (3, 4, "sub/b.jpg")]
    assert uploads.seal() is DatasetState.SEALED


@pytest.mark.parametrize(
    "put", [lambda uploads: uploads.add("b.jpg", content=b"other"), lambda uploads: uploads.annotate({"a.jpg": 7})]
)
def test_a_commit_without_an_answer_deletes_no_object(uploads: Uploads, put: Callable[[Uploads], object]) -> None:
    uploads.add("a.jpg")
    with losing_the_answer(), pytest.raises(ConnectionError):
        put(uploads)
    assert len(uploads.stored()) == 2
    assert set(uploads.stored()) == uploads.named()


def test_a_sealed_dataset_accepts_no_uploads(uploads: Uploads) -> None:
    uploads.add("a.jpg")
    uploads.seal()
    with pytest.raises(DatasetSealed):
        uploads.add("b.jpg")
    with pytest.raises(DatasetSealed):
        uploads.annotate({"a.jpg": 1})
    assert len(uploads.stored()) == 1


def test_an_empty_dataset_cannot_be_sealed(uploads: Uploads) -> None:
    with pytest.raises(DatasetEmpty):
        uploads.seal()


@pytest.mark.parametrize("names", [("a.jpg",), ("new.jpg", "a.jpg"), ("new.jpg", "new.jpg")])
def test_a_name_already_taken_refuses_the_whole_request(uploads: Uploads, names: tuple[str, ...]) -> None:
    uploads.add("a.jpg", content=b"first")
    with pytest.raises(FileNameTaken, match=names[-1]):
        uploads.add(*names, content=b"second")
    assert [name for _, _, name in uploads.rows()] == ["a.jpg"]
    assert [uploads.store.get(key) for key in uploads.stored()] == [b"first"]


def test_a_name_taken_while_bytes_arrive_is_refused_and_cleaned_up(uploads: Uploads) -> None:
    class Slow(io.BytesIO):
        """A file during whose upload another request finishes first, between the check and the record."""

        def read(self, size: int | None = -1) -> bytes:
            if not self.tell():
                uploads.add("a.jpg", content=b"winner")
            return super().read(size)

    files = [UploadedFile("a.jpg", Slow(b"loser"))]
    with pytest.raises(FileNameTaken):
        add_images(
            uploads.engine,
            uploads.store,
            uploads.tenant_id,
            uploads.dataset_id,
            files,
            max_image_bytes=10,
            limits=LIMITS,
        )
    assert [uploads.store.get(key) for key in uploads.stored()] == [b"winner"]


def test_oversized_and_wrongly_named_images_store_nothing(uploads: Uploads) -> None:
    with pytest.raises(ImageTooLarge, match=r"'b\.jpg' has more than 10 bytes"):
        uploads.add_all([("a.jpg", b"fits"), ("b.jpg", b"12345678901")])
    with pytest.raises(FileNameInvalid):
        uploads.add("../a.jpg")
    assert uploads.stored() == []
    assert uploads.rows() == []


def test_annotations_may_precede_the_images_and_be_replaced(uploads: Uploads) -> None:
    assert uploads.annotate({"wrong.jpg": 1}) == 1
    assert uploads.annotate({"a.jpg": 70, "b.jpg": 60, "missing.jpg": 80}) == 3
    uploads.add("a.jpg", "b.jpg", "c.jpg")
    uploads.seal()
    assert uploads.rows() == [(0, 70, "a.jpg"), (1, 60, "b.jpg"), (2, 81, "c.jpg")]
    with read_only(uploads.engine) as session:
        assert sorted(session.scalars(select(DatasetAnnotation.image_id))) == [60, 70]
    assert len([key for key in uploads.stored() if "annotations" in key]) == 1


def test_detections_are_matched_on_sealing_and_may_be_replaced(uploads: Uploads) -> None:
    assert uploads.detect(1, 2, 99) == 3
    assert uploads.detect(60, 80, 60, 71) == 4
    uploads.annotate({"a.jpg": 70, "b.jpg": 60, "missing.jpg": 80})
    uploads.add("a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(DetectionsInvalid, match=r"detections\[3\]: image_id 71"):
        uploads.seal()
    assert uploads.detected() == []
    assert uploads.detect(60, 80, 60, 81) == 4
    uploads.seal()
    assert uploads.detected() == [(1, 60), (3, 60), (4, 81)]
    assert len([key for key in uploads.stored() if "detections" in key]) == 1
    with pytest.raises(DatasetSealed):
        uploads.detect(60)


def test_detections_without_annotations_refer_to_numbered_names(uploads: Uploads) -> None:
    uploads.add("b.jpg", "a.jpg")
    uploads.detect(2)
    uploads.seal()
    assert uploads.detected() == [(1, 2)]


def test_wrong_detections_store_nothing(uploads: Uploads) -> None:
    with pytest.raises(DetectionsInvalid, match="must be a JSON list"):
        put_detections(
            uploads.engine, uploads.store, uploads.tenant_id, uploads.dataset_id, io.BytesIO(b"{}"), OF_ANNOTATIONS
        )
    assert uploads.stored() == []


def test_annotations_that_match_no_image_are_found_on_sealing(uploads: Uploads) -> None:
    uploads.annotate({"other.jpg": 1})
    uploads.add("a.jpg")
    with pytest.raises(AnnotationsInvalid, match="none of the file names"):
        uploads.seal()
    uploads.annotate({"a.jpg": 1})
    assert uploads.seal() is DatasetState.SEALED


def test_annotations_replaced_during_sealing_are_detected(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads.annotate({"a.jpg": 1})
    uploads.add("a.jpg")

    class Replacing(MemoryStore):
        """A store in which another request replaces the annotations just after they were read."""

        def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
            return uploads.store.put_stream(key, chunks)

        def open(self, key: str, *, start: int = 0) -> io.BytesIO:
            content = uploads.store.get(key)
            uploads.annotate({"a.jpg": 2})
            return io.BytesIO(content[start:])

    with pytest.raises(DatasetChanged):
        seal(uploads.engine, Replacing(), uploads.tenant_id, uploads.dataset_id, InputLimits())
    assert uploads.rows() == [(None, None, "a.jpg")]


def test_images_and_bytes_of_a_dataset_are_limited(uploads: Uploads) -> None:
    uploads.add("a", "b", content=b"x" * 10)
    with pytest.raises(DatasetTooLarge, match="more than 5 images"):
        uploads.add("c", "d", "e", "f")
    with pytest.raises(DatasetTooLarge, match="more than 40 bytes"):
        uploads.add("c", "d", "e", content=b"x" * 10)
    assert (len(uploads.stored()), len(uploads.rows())) == (1, 2)  # equal bytes are stored once


def test_annotations_and_detections_take_no_room_from_the_images(uploads: Uploads) -> None:
    uploads.annotate({"a": 1})
    uploads.detect(1)
    uploads.add("a", content=b"x" * 10)
    uploads.annotate({"a": 1, "b": 2})
    uploads.detect(1, 2, 2)
    uploads.add("b", "c", "d", content=b"x" * 10)  # 40 bytes, all that are allowed
    with pytest.raises(DatasetTooLarge, match="more than 40 bytes"):
        uploads.add("e", content=b"x")


def test_an_upload_does_not_add_up_the_sizes_of_earlier_ones(uploads: Uploads) -> None:
    statements: list[str] = []
    event.listen(uploads.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    uploads.add("a")
    assert any("INSERT INTO dataset_images" in statement for statement in statements)
    assert not any("sum(" in statement for statement in statements)
