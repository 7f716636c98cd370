"""Datasets of a manifest, listed by a task: images on disk and in buckets."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from benchmarks.scale.manifest import FORMS, write_manifest
from fixtures.servers.s3_server import Buckets
from samfleet.datasets.content import read_image
from samfleet.datasets.folder_walk import ListingLimits
from samfleet.datasets.manifests import listing as module
from samfleet.datasets.manifests.lines import format_of
from samfleet.datasets.manifests.listing import ManifestListing, ManifestRequest, create_manifest_listing
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.db.models import Dataset, DatasetImage, DatasetSource, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.image_errors import ImageMissing, SourceChanged
from samfleet.jobs import listing as task
from samfleet.jobs.listing import list_dataset
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LIMITS = InputLimits()
NO_BUCKETS = S3Sources({})


def begin(engine: Engine, manifest: str, **options: object) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        request = ManifestRequest(manifest, format_of(manifest), **options)  # type: ignore[arg-type]
        return create_manifest_listing(session, tenant.id, request).id


def listed(
    engine: Engine,
    manifest: str,
    root: Path,
    sources: S3Sources = NO_BUCKETS,
    limits: InputLimits = LIMITS,
    **options: object,
) -> Dataset:
    dataset_id = begin(engine, manifest, **options)
    list_dataset(engine, dataset_id, (root,), limits, sources)
    with transaction(engine) as session:
        return session.get_one(Dataset, dataset_id)


def images(engine: Engine, dataset: Dataset) -> list[DatasetImage]:
    with transaction(engine) as session:
        query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id).order_by(DatasetImage.position)
        return list(session.scalars(query).all())


def write(folder: Path, *entries: object, name: str = "list.jsonl") -> str:
    path = folder / name
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return str(path)


def failure(dataset: Dataset) -> tuple[str | None, str]:
    assert dataset.state is DatasetState.FAILED
    assert dataset.image_count == 0
    return dataset.error_code, dataset.error_message or ""


def test_paths_and_objects_become_images_in_the_order_of_the_lines(
    engine: Engine, tmp_path: Path, buckets: Buckets
) -> None:
    bucket = buckets.make({"2026/[b]?.jpg": b"object", "gone.jpg": b"x"})
    buckets.client.delete_object(Bucket=bucket, Key="gone.jpg")
    (tmp_path / "z.jpg").write_bytes(b"file")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ä %20.jpg").write_bytes(b"below")
    manifest = write(
        tmp_path,
        {"image": "z.jpg", "id": "first"},
        {"image": f"s3://{bucket}/2026/[b]?.jpg", "id": 2},
        {"image": str(tmp_path / "sub" / "ä %20.jpg"), "file_name": "a.jpg"},
        {"image": f"s3://{bucket}/gone.jpg"},
        {"image": "./missing.jpg"},
    )
    sources = S3Sources({"main": buckets.profile(bucket)})
    dataset = listed(engine, manifest, tmp_path, sources)
    assert (dataset.source, dataset.state, dataset.name) == (DatasetSource.MANIFEST, DatasetState.SEALED, "list")
    assert dataset.image_count == 5
    found = images(engine, dataset)
    assert [(row.position, row.image_id, row.external_id) for row in found] == [
        (0, 1, "first"),
        (1, 2, "2"),
        (2, 3, None),
        (3, 4, None),
        (4, 5, None),
    ]
    names = ["z.jpg", f"{bucket}/2026/[b]?.jpg", "a.jpg", f"{bucket}/gone.jpg", "missing.jpg"]
    assert [row.file_name for row in found] == names
    assert [row.size_bytes for row in found] == [4, 6, 5, 0, 0]
    contents = [read_image(MemoryStore(), row.uri, 100, sources.readers) for row in found[:3]]
    assert contents == [b"file", b"object", b"below"]
    for row in found[3:]:
        with pytest.raises(ImageMissing):
            read_image(MemoryStore(), row.uri, 100, sources.readers)
    buckets.client.put_object(Bucket=bucket, Key="gone.jpg", Body=b"back", ACL="public-read")
    assert read_image(MemoryStore(), found[3].uri, 100, sources.readers) == b"back"


def test_the_version_of_an_object_is_the_stated_or_the_listed_one(
    engine: Engine, tmp_path: Path, buckets: Buckets
) -> None:
    bucket = buckets.make({"a.jpg": b"a", "b.jpg": b"b"})
    etag = buckets.client.head_object(Bucket=bucket, Key="a.jpg")["ETag"]
    sources = S3Sources({"main": buckets.profile(bucket)})
    urls = [f"s3://{bucket}/a.jpg", f"s3://{bucket}/b.jpg"]
    entries = [{"image": urls[0], "etag": etag.strip('"')}, {"image": urls[1], "etag": '"old"'}]
    first, second = images(engine, listed(engine, write(tmp_path, *entries), tmp_path, sources))
    assert read_image(MemoryStore(), first.uri, 100, sources.readers) == b"a"
    with pytest.raises(SourceChanged):
        read_image(MemoryStore(), second.uri, 100, sources.readers)
    (recorded,) = images(engine, listed(engine, write(tmp_path, {"image": urls[1]}), tmp_path, sources))
    buckets.client.put_object(Bucket=bucket, Key="b.jpg", Body=b"new", ACL="public-read")
    with pytest.raises(SourceChanged):
        read_image(MemoryStore(), recorded.uri, 100, sources.readers)


def test_a_manifest_in_a_bucket_has_relative_keys(engine: Engine, tmp_path: Path, buckets: Buckets) -> None:
    bucket = buckets.make({"lists/a.csv": b"image,id\r\nx/1.jpg,one\r\n", "lists/x/1.jpg": b"one"})
    sources = S3Sources({"main": buckets.profile(bucket)})
    dataset = listed(engine, f"s3://{bucket}/lists/a.csv", tmp_path, sources)
    (image,) = images(engine, dataset)
    assert (dataset.name, image.file_name, image.external_id) == ("a", "x/1.jpg", "one")
    assert read_image(MemoryStore(), image.uri, 100, sources.readers) == b"one"
    missing = listed(engine, f"s3://{bucket}/lists/b.csv", tmp_path, sources)
    assert failure(missing)[0] == "manifest_not_found"


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        ([], "dataset_empty", "has no lines; write one image per line"),
        ([{"image": "a.jpg"}, {"image": "b.jpg"}, {"image": "./a.jpg"}], "manifest_duplicate", "lines 1 and 3: both"),
        ([{"image": "a.jpg", "file_name": "b.jpg"}, {"image": "b.jpg"}], "manifest_duplicate", "file name 'b.jpg'"),
        ([{"image": "a.jpg", "id": 1}, {"image": "b.jpg", "id": "1"}], "manifest_duplicate", "id '1'; state a dif"),
        ([{"image": "a.jpg"}, {"image": "/etc/passwd"}], "directory_not_allowed", "line 2: /etc/passwd is not under"),
        ([{"image": "../../x.jpg"}], "directory_not_allowed", "line 1: "),
        ([{"image": "sub/../a.jpg"}], "file_name_invalid", "line 1: .*or state another name as file_name"),
        ([{"image": "a.jpg", "file_name": "/a"}], "file_name_invalid", "line 1: "),
        ([{"image": "s3://secrets/a.jpg"}], "bucket_not_allowed", "line 1: "),
        ([{"image": "s3://secrets/"}], "s3_url_invalid", "line 1: .*not the address of an object"),
        ([{"image": "ftp://host/a.jpg"}], "manifest_invalid", "line 1: 'ftp://host/a.jpg' is neither a path"),
        ([{"image": "a.jpg", "etag": "x"}], "manifest_invalid", "line 1: .*a file on the server has none"),
        ([{"image": "a.jpg"}, {"id": "7"}], "manifest_invalid", "line 2: no image"),
    ],
)
def test_a_fault_names_its_line_and_nothing_is_written(
    engine: Engine, tmp_path: Path, entries: list[object], code: str, message: str
) -> None:
    (tmp_path / "sub").mkdir()
    dataset = listed(engine, write(tmp_path, *entries), tmp_path)
    found, text = failure(dataset)
    assert found == code
    with pytest.raises(ValueError, match=message):
        raise ValueError(text)
    assert images(engine, dataset) == []


def test_links_out_of_the_roots_are_refused(engine: Engine, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "list.csv").symlink_to(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("image\n")
    assert failure(listed(engine, write(root, {"image": "link.jpg"}), root))[0] == "directory_not_allowed"
    assert failure(listed(engine, str(root / "list.csv"), root))[0] == "directory_not_allowed"
    assert failure(listed(engine, str(root / "none.csv"), root))[0] == "manifest_not_found"
    (root / "folder.csv").mkdir()
    assert failure(listed(engine, str(root / "folder.csv"), root))[0] == "manifest_not_found"


def test_limits(engine: Engine, tmp_path: Path) -> None:
    manifest = write(tmp_path, *({"image": f"{number}.jpg"} for number in range(5)))
    limited = listed(engine, manifest, tmp_path, limit=2)
    assert [row.file_name for row in images(engine, limited)] == ["0.jpg", "1.jpg"]
    many = replace(LIMITS, images=4)
    assert failure(listed(engine, manifest, tmp_path, limits=many))[0] == "dataset_too_large"
    assert listed(engine, manifest, tmp_path, limits=replace(LIMITS, images=5)).state is DatasetState.SEALED
    assert failure(listed(engine, manifest, tmp_path, limits=replace(LIMITS, file_bytes=50)))[0] == "manifest_too_large"
    slow = replace(LIMITS, listing=ListingLimits(seconds=0))
    code, text = failure(listed(engine, manifest, tmp_path, limits=slow))
    assert (code, "line 5" in text) == ("manifest_too_large", True)


def test_a_store_that_does_not_answer_leaves_the_dataset_listing(
    engine: Engine, tmp_path: Path, buckets: Buckets
) -> None:
    away = buckets.profile("photos").model_copy(update={"endpoint": "http://127.0.0.1:1"})
    dataset_id = begin(engine, write(tmp_path, {"image": "a.jpg"}, {"image": "s3://photos/b.jpg"}))
    with pytest.raises(StorageUnavailable, match=r"line 2: s3://photos/b.jpg"):
        list_dataset(engine, dataset_id, (tmp_path,), LIMITS, S3Sources({"main": away}))
    with transaction(engine) as session:
        dataset = session.get_one(Dataset, dataset_id)
        assert (dataset.state, dataset.error_code) == (DatasetState.LISTING, None)
    assert images(engine, dataset) == []


def test_many_lines_are_read_in_batches(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_AT_ONCE", 7)
    manifest = write(tmp_path, *({"image": f"{number}.jpg", "id": number} for number in range(100)))
    found = images(engine, listed(engine, manifest, tmp_path))
    assert [row.external_id for row in found] == [str(number) for number in range(100)]


@pytest.mark.parametrize("form", FORMS)
def test_a_listing_killed_between_two_batches_begins_again_and_has_each_line_once(
    engine: Engine, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINES_AT_ONCE", 10)
    monkeypatch.setattr(task, "SIGN_OF_LIFE_SECONDS", -1.0)
    manifest = tmp_path / f"list.{form}"
    write_manifest(manifest, form, 35)
    dataset_id = begin(engine, str(manifest))
    shown: list[tuple[int, int]] = []

    def read() -> Dataset:
        with transaction(engine) as session:
            return session.get_one(Dataset, dataset_id)

    def killed(self: ManifestListing, line: int, until: float) -> None:
        check(self, line, until)
        if self.images == 20:
            shown.append((read().listed, read().image_count))
            raise KeyboardInterrupt

    check = ManifestListing._check
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ManifestListing, "_check", killed)
        list_dataset(engine, dataset_id, (tmp_path,), LIMITS)
    assert shown == [(20 + (form == "csv"), 20)]  # its header is a line too
    assert (read().state, images(engine, read())) == (DatasetState.LISTING, [])
    for _ in range(2):  # the message of a task that died may come again after another has done the work
        list_dataset(engine, dataset_id, (tmp_path,), LIMITS)
        dataset = read()
        assert (dataset.state, dataset.image_count) == (DatasetState.SEALED, 35)
        assert [row.external_id for row in images(engine, dataset)] == [f"image/{number}" for number in range(35)]
