"""Datasets of an archive, unpacked by a task: every format and place, and the archives that are refused."""

from __future__ import annotations

import tarfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from fixtures.images.archives import corrupt_zip, encrypted, link, packed, tarred, zip_link, zipped
from fixtures.servers.s3_server import Buckets
from samfleet.datasets.archives import members
from samfleet.datasets.archives.errors import ArchiveFormatUnknown
from samfleet.datasets.archives.listing import ArchiveRequest, create_archive_listing
from samfleet.datasets.archives.members import Format, format_of
from samfleet.datasets.content import read_image
from samfleet.datasets.folder_walk import ListingLimits
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.db.models import Dataset, DatasetImage, DatasetSource, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.image_errors import ImageTooLarge
from samfleet.jobs.listing import list_dataset
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LIMITS = InputLimits()
FILES = {
    "b.jpg": b"bee",
    "sub/a.PNG": b"a",
    "sub/a.json": b"{}",
    "sub/inner.zip": b"PK",
    "sub/inner.tar.gz": b"x",
    ".hidden/c.jpg": b"c",
    "__MACOSX/._b.jpg": b"x",
    "clip.gif": b"GIF",
    "empty.jpg": b"",
}
IMAGES = {"b.jpg": b"bee", "sub/a.PNG": b"a", "empty.jpg": b""}
LEFT_OUT = [("hidden", 1), ("system", 1), ("format", 1), ("archive", 2), ("other", 1)]


def begin(engine: Engine, archive: str, form: Format, **options: object) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        return create_archive_listing(session, tenant.id, ArchiveRequest(archive, form, **options)).id  # type: ignore[arg-type]


def listed(
    engine: Engine,
    store: MemoryStore,
    path: Path,
    data: bytes,
    form: Format,
    limits: InputLimits = LIMITS,
    **options: object,
) -> Dataset:
    path.write_bytes(data)
    dataset_id = begin(engine, str(path), form, **options)
    list_dataset(engine, dataset_id, (path.parent,), limits, store=store)
    return found(engine, dataset_id)


def found(engine: Engine, dataset_id: uuid.UUID) -> Dataset:
    with transaction(engine) as session:
        return session.get_one(Dataset, dataset_id)


def images(engine: Engine, dataset: Dataset) -> list[DatasetImage]:
    with transaction(engine) as session:
        query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id).order_by(DatasetImage.position)
        return list(session.scalars(query).all())


def contents(engine: Engine, store: MemoryStore, dataset: Dataset) -> dict[str, bytes]:
    return {row.file_name: store.get(row.uri.removeprefix("store:")) for row in images(engine, dataset)}


def failure(engine: Engine, store: MemoryStore, dataset: Dataset) -> tuple[str | None, str]:
    assert dataset.state is DatasetState.FAILED
    assert images(engine, dataset) == []
    assert list(store.list(f"datasets/{dataset.id}/images/")) == []
    return dataset.error_code, dataset.error_message or ""


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_the_images_of_an_archive_are_unpacked_in_its_order(engine: Engine, tmp_path: Path, form: Format) -> None:
    store = MemoryStore()
    dataset = listed(engine, store, tmp_path / "shelves.tar.gz", packed(form, FILES), form)
    assert (dataset.source, dataset.state, dataset.name) == (DatasetSource.ARCHIVE, DatasetState.SEALED, "shelves")
    assert contents(engine, store, dataset) == IMAGES
    assert [(row.position, row.image_id, row.size_bytes) for row in images(engine, dataset)] == [
        (0, 1, 3),
        (1, 2, 1),
        (2, 3, 0),
    ]
    assert [(one["reason"], one["count"]) for one in dataset.left_out] == LEFT_OUT
    assert (dataset.image_count, dataset.stored_bytes, dataset.stored_objects) == (3, 4, 3)


def test_hidden_files_and_a_limit(engine: Engine, tmp_path: Path) -> None:
    store = MemoryStore()
    dataset = listed(engine, store, tmp_path / "a.zip", zipped(FILES), "zip", include_hidden=True, limit=3)
    assert set(contents(engine, store, dataset)) == {"b.jpg", "sub/a.PNG", ".hidden/c.jpg"}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_archives_in_buckets_and_uploads(engine: Engine, tmp_path: Path, buckets: Buckets, form: Format) -> None:
    store, data = MemoryStore(), packed(form, FILES)
    bucket = buckets.make({f"x/shelves.{form}": data})
    sources = S3Sources({"main": buckets.profile(bucket)})
    store.put("datasets/uploaded", data)
    of_bucket = begin(engine, f"s3://{bucket}/x/shelves.{form}", form)
    of_upload = begin(engine, "the archive", form, stored="datasets/uploaded")
    for dataset_id in (of_bucket, of_upload):
        list_dataset(engine, dataset_id, (), LIMITS, sources, store=store)
        assert contents(engine, store, found(engine, dataset_id)) == IMAGES
    assert found(engine, of_bucket).name == "shelves"
    assert (found(engine, of_upload).listing or {})["stored"] is None
    missing = begin(engine, f"s3://{bucket}/none.zip", form)
    list_dataset(engine, missing, (), LIMITS, sources, store=store)
    assert found(engine, missing).error_code == "archive_not_found"
    few = begin(engine, f"s3://{bucket}/x/shelves.{form}", form)
    list_dataset(engine, few, (), replace(LIMITS, archive_bytes=len(data) - 1), sources, store=store)
    assert found(engine, few).error_code == "archive_too_large"


REFUSED: list[tuple[str, Format, bytes, str]] = [
    ("zip with a parent", "zip", zipped({"../a.jpg": b"a"}), "archive_name_forbidden"),
    ("zip with an inner parent", "zip", zipped({"a/../b.jpg": b"a"}), "archive_name_forbidden"),
    ("zip with a Windows parent", "zip", zipped({"..\\a.jpg": b"a"}), "archive_name_forbidden"),
    ("zip with a root", "zip", zipped({"/a.jpg": b"a"}), "archive_name_forbidden"),
    ("zip with a drive", "zip", zipped({"C:\\a.jpg": b"a"}), "archive_name_forbidden"),
    ("tar with a parent", "tar", tarred({"../a.jpg": b"a"}), "archive_name_forbidden"),
    ("tar with a root", "tar", tarred({"/etc/a.jpg": b"a"}), "archive_name_forbidden"),
    ("zip with a link", "zip", zip_link(), "archive_member_forbidden"),
    ("tar with a link", "tar", tarred({"x": link(tarfile.SYMTYPE)}), "archive_member_forbidden"),
    ("tar with a hard link", "tar", tarred({"b.jpg": b"b", "x": link(tarfile.LNKTYPE)}), "archive_member_forbidden"),
    ("tar with a device", "tar", tarred({"x": link(tarfile.CHRTYPE)}), "archive_member_forbidden"),
    ("tar with a pipe", "tar", tarred({"x": link(tarfile.FIFOTYPE)}), "archive_member_forbidden"),
    ("tar with a duplicate", "tar", tarred({"a.jpg": b"1", "./a.jpg": b"2"}), "archive_duplicate"),
    ("encrypted zip", "zip", encrypted(), "archive_encrypted"),
    ("no zip", "zip", b"not a zip", "archive_invalid"),
    ("empty file", "zip", b"", "archive_invalid"),
    ("cut zip", "zip", zipped(FILES)[:-30], "archive_invalid"),
    ("wrong checksum", "zip", corrupt_zip(), "archive_invalid"),
    ("no tar", "tar", b"x" * 2000, "archive_invalid"),
    ("cut tar", "tar", tarred({"a.jpg": b"a" * 5000})[:4000], "archive_invalid"),
    ("no gzip", "tar.gz", tarred(FILES), "archive_invalid"),
    ("cut gzip", "tar.gz", tarred({"a.jpg": bytes(range(256)) * 9}, "w:gz")[:-20], "archive_invalid"),
    ("zip as tar", "tar", zipped(FILES) + b"\0" * 2000, "archive_invalid"),
    ("no image", "zip", zipped({"a.txt": b"a", "b.zip": b"b"}), "dataset_empty"),
    ("empty tar", "tar", tarred({}), "dataset_empty"),
]


@pytest.mark.parametrize(("form", "data", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_other_archives_are_refused_and_leave_nothing(
    engine: Engine, tmp_path: Path, form: Format, data: bytes, code: str
) -> None:
    store = MemoryStore()
    assert failure(engine, store, listed(engine, store, tmp_path / "a", data, form))[0] == code


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_bombs_are_found_by_what_they_unpack_to(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Format
) -> None:
    monkeypatch.setattr(members, "RATIO_FROM_BYTES", 100_000)
    store = MemoryStore()
    blank = packed(form, {"a.bmp": b"\0" * 2_000_000, "b.bmp": b"\0" * 2_000_000})
    code, text = failure(engine, store, listed(engine, store, tmp_path / "a", blank, form))
    assert (code, "more than 200 times" in text) == ("archive_bomb", True)
    fair = packed(form, {"a.bmp": b"\0" * 90_000})
    assert listed(engine, store, tmp_path / "b", fair, form).state is DatasetState.SEALED
    small = replace(LIMITS, total_bytes=50_000)
    assert failure(engine, store, listed(engine, store, tmp_path / "c", fair, form, small))[0] == "archive_too_large"


def test_a_bomb_among_files_that_are_left_out_is_found(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "RATIO_FROM_BYTES", 100_000)
    store, data = MemoryStore(), tarred({"a.txt": b"\0" * 2_000_000, "b.jpg": b"b"}, "w:gz")
    assert failure(engine, store, listed(engine, store, tmp_path / "a", data, "tar.gz"))[0] == "archive_bomb"


def test_headers_that_are_read_whole_are_bounded(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_HEADER_BYTES", 1000)
    monkeypatch.setattr(members, "MAX_DIRECTORY_BYTES", 1000)
    store, name = MemoryStore(), "n" * 2000
    long = tarred({name: b""}, form=tarfile.GNU_FORMAT)
    assert failure(engine, store, listed(engine, store, tmp_path / "a", long, "tar"))[0] == "archive_invalid"
    many = zipped({f"{number}.jpg": b"" for number in range(50)})
    assert failure(engine, store, listed(engine, store, tmp_path / "b", many, "zip"))[0] == "archive_too_large"


def test_an_image_that_is_too_large_fails_alone(engine: Engine, tmp_path: Path) -> None:
    store, small = MemoryStore(), replace(LIMITS, image_bytes=10)
    data = tarred({"big.jpg": b"x" * 50_000, "a.jpg": b"a" * 10})
    dataset = listed(engine, store, tmp_path / "a", data, "tar", small)
    big, fitting = images(engine, dataset)
    assert (big.size_bytes, read_image(store, fitting.uri, 10)) == (11, b"a" * 10)
    with pytest.raises(ImageTooLarge):
        read_image(store, big.uri, 10)


def test_limits(engine: Engine, tmp_path: Path) -> None:
    store, data, path = MemoryStore(), zipped(FILES), tmp_path / "a.zip"
    for limits, code in (
        (replace(LIMITS, images=2), "dataset_too_large"),
        (replace(LIMITS, listing=ListingLimits(entries=3)), "dataset_too_large"),
        (replace(LIMITS, listing=ListingLimits(seconds=0)), "archive_too_large"),
        (replace(LIMITS, archive_bytes=100), "archive_too_large"),
    ):
        assert failure(engine, store, listed(engine, store, path, data, "zip", limits))[0] == code


def test_archives_outside_the_roots_are_refused(engine: Engine, tmp_path: Path) -> None:
    store = MemoryStore()
    (tmp_path / "root").mkdir()
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    (tmp_path / "root" / "a.zip").symlink_to(tmp_path / "a.zip")
    for place, code in (("a.zip", "directory_not_allowed"), ("none.zip", "archive_not_found")):
        dataset_id = begin(engine, str(tmp_path / "root" / place), "zip")
        list_dataset(engine, dataset_id, (tmp_path / "root",), LIMITS, store=store)
        assert failure(engine, store, found(engine, dataset_id))[0] == code


class AwayStore(MemoryStore):
    """A store that takes one object and is then away for writes."""

    def put(self, key: str, data: bytes) -> None:
        if any(True for _ in self.list("datasets/")):
            raise StorageUnavailable
        super().put(key, data)


def test_a_store_that_is_away_leaves_the_dataset_listing_and_no_objects(engine: Engine, tmp_path: Path) -> None:
    store = AwayStore()
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    dataset_id = begin(engine, str(tmp_path / "a.zip"), "zip")
    with pytest.raises(StorageUnavailable):
        list_dataset(engine, dataset_id, (tmp_path,), LIMITS, store=store)
    assert found(engine, dataset_id).state is DatasetState.LISTING
    assert list(store.list("datasets/")) == []


def test_the_format_is_stated_or_that_of_the_suffix() -> None:
    assert [format_of(name) for name in ("a.ZIP", "b.tar", "c.tar.gz", "d.tgz")] == ["zip", "tar", "tar.gz", "tar.gz"]
    assert format_of("shard", "tar") == "tar"
    with pytest.raises(ArchiveFormatUnknown, match=r"'a.rar' ends in none of .zip"):
        format_of("a.rar")
