"""Frames of files as images of datasets of every source."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fixtures.images.animations import COLOURS, GREEN, animated, colour_of, plain, saved
from fixtures.images.archives import zipped
from fixtures.servers.s3_server import Buckets
from samfleet.datasets.archives.listing import ArchiveRequest, create_archive_listing
from samfleet.datasets.content import read_image
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.listing import FrameNameTaken
from samfleet.datasets.frames.reader import frame_readers
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.listing import ListingRequest, create_listing, list_at_once
from samfleet.datasets.manifests.listing import ManifestRequest, create_manifest_listing
from samfleet.datasets.s3_listing import S3Request, create_s3_listing
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import DatasetTooLarge, InputLimits, create_upload
from samfleet.datasets.uploads import seal
from samfleet.datasets.url_sources import NO_URLS, UrlRules, UrlSources
from samfleet.datasets.versions import create_extension, create_refresh
from samfleet.db.models import Dataset, DatasetImage, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.listing import list_dataset
from samfleet.storage.memory_store import MemoryStore

LIMITS = InputLimits()
ALL, SECOND = {"every": 1}, {"index": 1}
FILES = {
    "a.jpg": saved([plain(GREEN)], "JPEG"),
    "clip.gif": animated("GIF"),
    "one.tif": saved([plain(GREEN)], "TIFF"),
    "sub/scan.TIF": animated("TIFF"),
}
NAMES = [
    "a.jpg",
    *(f"clip.gif/00000{index}.png" for index in range(4)),
    "one.tif",
    *(f"sub/scan.TIF/00000{index}.png" for index in range(4)),
]

Create = Callable[[Session, uuid.UUID], Dataset]


class Place:
    """A folder, a bucket and a store, with the datasets that are listed from them."""

    def __init__(self, engine: Engine, root: Path, buckets: Buckets) -> None:
        self.engine, self.root, self.buckets, self.store = engine, root, buckets, MemoryStore()
        self.s3, self.bucket_name = S3Sources({}), ""
        self.urls = UrlSources(UrlRules(("images.example",)))
        with transaction(engine) as session:
            tenant = Tenant(name=uuid.uuid4().hex)
            session.add(tenant)
            session.flush()
            self.tenant = tenant.id

    def write(self, files: Mapping[str, bytes]) -> Path:
        for name, data in files.items():
            path = self.root / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.root / "photos"

    def bucket(self, files: Mapping[str, bytes]) -> str:
        bucket = self.bucket_name = self.buckets.make(files)
        self.s3 = S3Sources({"default": self.buckets.profile(bucket)})
        return bucket

    def listed(self, create: Create, limits: InputLimits = LIMITS) -> Dataset:
        with transaction(self.engine) as session:
            dataset_id = create(session, self.tenant).id
        list_dataset(self.engine, dataset_id, (self.root,), limits, self.s3, self.urls, self.store)
        with transaction(self.engine) as session:
            return session.get_one(Dataset, dataset_id)

    def images(self, dataset: Dataset) -> list[DatasetImage]:
        assert dataset.state is DatasetState.SEALED, dataset.error_message
        with transaction(self.engine) as session:
            query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id)
            found = session.scalars(query.order_by(DatasetImage.position)).all()
        assert [(image.position, image.image_id) for image in found] == [(n, n + 1) for n in range(len(found))]
        assert dataset.image_count == len(found)
        return list(found)

    def colours(self, dataset: Dataset) -> dict[str, Any]:
        remote = {**self.s3.readers, **frame_readers(self.store, self.s3, NO_URLS, FrameLimits())}
        images = self.images(dataset)
        return {one.file_name: colour_of(read_image(self.store, one.uri, 2**20, remote)) for one in images}


@pytest.fixture
def place(engine: Engine, tmp_path: Path, buckets: Buckets) -> Place:
    return Place(engine, tmp_path, buckets)


def of_directory(place: Place, **options: Any) -> Create:
    request = ListingRequest(str(place.write(FILES)), **options)
    assert list_at_once(request, (place.root,), LIMITS) is None  # reading the files may take long
    return lambda session, tenant: create_listing(session, tenant, request)


def of_bucket(place: Place, **options: Any) -> Create:
    request = S3Request(f"s3://{place.bucket(FILES)}", "default", **options)
    return lambda session, tenant: create_s3_listing(session, tenant, request)


def of_archive(place: Place, **options: Any) -> Create:
    (place.root / "all.zip").write_bytes(zipped(FILES))
    request = ArchiveRequest(str(place.root / "all.zip"), "zip", **options)
    return lambda session, tenant: create_archive_listing(session, tenant, request)


def of_manifest(place: Place, **options: Any) -> Create:
    place.write(FILES)
    lines = [json.dumps({"image": f"photos/{name}", "file_name": name}) for name in FILES]
    (place.root / "list.jsonl").write_text("\n".join(lines))
    request = ManifestRequest(str(place.root / "list.jsonl"), "jsonl", **options)
    return lambda session, tenant: create_manifest_listing(session, tenant, request)


SOURCES = pytest.mark.parametrize("source", [of_directory, of_bucket, of_archive, of_manifest])


@SOURCES
def test_all_frames(place: Place, source: Callable[..., Create]) -> None:
    dataset = place.listed(source(place, frames=ALL))
    colours = place.colours(dataset)
    assert list(colours) == NAMES
    assert [colours[name] for name in NAMES if name.startswith("clip")] == list(COLOURS)
    assert [colours[name] for name in NAMES if name.startswith("sub")] == list(COLOURS)
    metadata = {image.file_name: image.image_metadata for image in place.images(dataset)}
    assert (metadata["a.jpg"], metadata["clip.gif/000003.png"]) == (None, {"frame": 3})


@SOURCES
def test_one_frame_and_a_limit(place: Place, source: Callable[..., Create]) -> None:
    dataset = place.listed(source(place, frames=SECOND, limit=2))
    assert place.colours(dataset) == {"a.jpg": pytest.approx(GREEN, abs=3), "clip.gif/000001.png": GREEN}
    names = [image.file_name for image in place.images(place.listed(source(place, frames=ALL, limit=3)))]
    assert names == NAMES[:3]


def test_without_frames_nothing_changes(place: Place) -> None:
    names = [image.file_name for image in place.images(place.listed(of_bucket(place)))]
    assert names == ["a.jpg", "one.tif", "sub/scan.TIF"]


def test_annotations_name_frames(place: Place) -> None:
    images = [{"id": 40 + index, "file_name": name, "width": 8, "height": 6} for index, name in enumerate(NAMES)]
    annotation = {"id": 1, "image_id": 42, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
    polygon = {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
    content = {"images": images, "annotations": [annotation | polygon], "categories": [{"id": 1, "name": "box"}]}
    (place.root / "instances.json").write_text(json.dumps(content))
    create = of_directory(place, frames=ALL, annotations_path=str(place.root / "instances.json"))
    dataset = place.listed(create)
    with transaction(place.engine) as session:
        query = select(DatasetImage.file_name).where(DatasetImage.dataset_id == dataset.id, DatasetImage.image_id == 42)
        assert session.scalars(query).one() == "clip.gif/000001.png"
    assert (dataset.state, dataset.annotated_image_count) == (DatasetState.SEALED, len(NAMES))


def test_a_version_knows_the_frames_of_unchanged_files(place: Place) -> None:
    base = place.listed(of_bucket(place, frames=ALL))
    bucket = place.bucket_name
    place.buckets.client.put_object(Bucket=bucket, Key="clip.gif", Body=animated("GIF", duration=70), ACL="public-read")
    version = place.listed(lambda session, tenant: create_refresh(session, tenant, base.id))
    assert version.changes == {"new": 0, "changed": 4, "gone": 0, "unchanged": 6}


def test_a_file_with_too_many_frames_is_one_image_that_fails(place: Place) -> None:
    limits = replace(LIMITS, frames=FrameLimits(frames=3))
    dataset = place.listed(of_directory(place, frames=ALL), limits)
    images = {image.file_name: image.uri for image in place.images(dataset)}
    assert list(images) == ["a.jpg", "clip.gif", "one.tif", "sub/scan.TIF"]
    assert images["clip.gif"].startswith("unusable:too_many_frames:")


def test_more_frames_than_a_dataset_may_have(place: Place) -> None:
    for source in (of_directory, of_bucket, of_archive, of_manifest):
        dataset = place.listed(source(place, frames=ALL), replace(LIMITS, images=9))
        assert (dataset.state, dataset.error_code) == (DatasetState.FAILED, "dataset_too_large")


def test_an_object_with_the_name_of_a_frame(place: Place) -> None:
    bucket = place.bucket({"a.gif": animated("GIF"), "a.gif/000002.png": b"any"})
    request = S3Request(f"s3://{bucket}", "default", frames=ALL)
    dataset = place.listed(lambda session, tenant: create_s3_listing(session, tenant, request))
    assert (dataset.state, dataset.error_code) == (DatasetState.FAILED, "frame_name_taken")


def test_frames_at_a_url_are_not_counted(place: Place) -> None:
    (place.root / "list.jsonl").write_text(json.dumps({"image": "https://images.example/a.tif", "id": "x"}))

    def create(frames: dict[str, int]) -> Create:
        request = ManifestRequest(str(place.root / "list.jsonl"), "jsonl", frames=frames)
        return lambda session, tenant: create_manifest_listing(session, tenant, request)

    dataset = place.listed(create(ALL))
    assert (dataset.error_code, "line 1" in (dataset.error_message or "")) == ("manifest_invalid", True)
    [image] = place.images(place.listed(create(SECOND)))
    assert (image.uri, image.external_id) == ("frame:1:https://images.example/a.tif", "x/1")


def test_unpacked_files_of_frames_are_no_orphans(place: Place) -> None:
    dataset = place.listed(of_archive(place, frames=ALL))
    now = timedelta(0)
    clean(place.engine, place.store, CleanLimits(grace=now, unsealed_after=timedelta(days=7), orphans_every=now))
    assert list(place.colours(dataset)) == NAMES
    assert (dataset.stored_objects, dataset.stored_bytes) == (4, sum(map(len, FILES.values())))


class Uploads:
    """Uploads of a tenant to datasets that take all frames."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def created(self) -> uuid.UUID:
        with transaction(self.place.engine) as session:
            return create_upload(session, self.place.tenant, frames=ALL).id

    def extension(self, base: uuid.UUID) -> uuid.UUID:
        with transaction(self.place.engine) as session:
            return create_extension(session, self.place.tenant, base).id

    def sealed(self, dataset_id: uuid.UUID, files: Mapping[str, bytes], limits: InputLimits = LIMITS) -> Dataset:
        place = self.place
        uploads = [UploadedFile(name, io.BytesIO(data)) for name, data in files.items()]
        engine, store = place.engine, place.store
        add_images(engine, store, place.tenant, dataset_id, uploads, max_image_bytes=10**6, limits=LIMITS)
        return seal(engine, store, place.tenant, dataset_id, limits)


def test_uploaded_files_become_frames_when_the_dataset_is_sealed(place: Place) -> None:
    uploads = Uploads(place)
    dataset = uploads.sealed(uploads.created(), FILES)
    colours = place.colours(dataset)
    assert list(colours) == NAMES
    assert [colours[name] for name in NAMES if name.startswith("clip")] == list(COLOURS)
    assert (dataset.stored_objects, dataset.stored_bytes) == (4, sum(map(len, FILES.values())))
    again = seal(place.engine, place.store, place.tenant, dataset.id, LIMITS)
    assert again.image_count == len(NAMES)


def test_a_file_uploaded_again_replaces_all_of_its_frames(place: Place) -> None:
    uploads = Uploads(place)
    base = uploads.sealed(uploads.created(), FILES)
    shorter = saved([plain(colour) for colour in COLOURS[:2]], "GIF")
    version = uploads.sealed(uploads.extension(base.id), {"clip.gif": shorter})
    gone = {"clip.gif/000002.png", "clip.gif/000003.png"}
    assert list(place.colours(version)) == [name for name in NAMES if name not in gone]
    assert version.changes == {"new": 0, "changed": 2, "gone": 2, "unchanged": 6}


def test_uploads_with_too_many_frames_or_names_of_frames_are_refused(place: Place) -> None:
    uploads = Uploads(place)
    with pytest.raises(DatasetTooLarge, match="frames"):
        uploads.sealed(uploads.created(), FILES, replace(LIMITS, images=9))
    with pytest.raises(FrameNameTaken, match="000002"):
        uploads.sealed(uploads.created(), {"a.gif": FILES["clip.gif"], "a.gif/000002.png": FILES["a.jpg"]})
