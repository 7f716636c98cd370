"""Prompts files of buckets, manifests and archives: by path or address, or uploaded before."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from fixtures.images.archives import zipped
from fixtures.servers.s3_server import Buckets
from samfleet.datasets.archives.listing import ArchiveRequest, create_archive_listing
from samfleet.datasets.manifests.errors import DatasetNotEmpty
from samfleet.datasets.manifests.listing import ManifestRequest, create_manifest_listing
from samfleet.datasets.s3_listing import S3Request, create_s3_listing
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits, create_upload
from samfleet.datasets.source_uploads import Request, upload_source
from samfleet.datasets.uploads import put_annotations, put_prompts
from samfleet.db.models import Dataset, DatasetPrompts, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.jobs.listing import list_dataset
from samfleet.storage.memory_store import MemoryStore

LIMITS = InputLimits()
BOX = {"id": 1, "category": "jar", "box": [0, 0, 2, 2]}
MANIFEST = '{"image": "b.jpg", "id": "two"}\n{"image": "a.jpg", "id": 1}\n{"image": "c.jpg"}\n'


def text_of(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def tenant_of(engine: Engine) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        return tenant.id


class Listed:
    """A dataset of one of the sources, and its task."""

    def __init__(self, engine: Engine, root: Path, sources: S3Sources) -> None:
        self.engine, self.root, self.sources = engine, root, sources
        self.store, self.tenant = MemoryStore(), tenant_of(engine)

    def make(self, create: Callable[..., Dataset], request: object) -> Dataset:
        with transaction(self.engine) as session:
            dataset_id = create(session, self.tenant, request).id
        return self.work(dataset_id)

    def work(self, dataset_id: uuid.UUID) -> Dataset:
        list_dataset(self.engine, dataset_id, (self.root,), LIMITS, self.sources, store=self.store)
        with transaction(self.engine) as session:
            return session.get_one(Dataset, dataset_id)

    def open(self) -> uuid.UUID:
        with transaction(self.engine) as session:
            return create_upload(session, self.tenant).id

    def fill(self, dataset_id: uuid.UUID, data: bytes, request: Request) -> Dataset:
        ids = self.tenant, dataset_id
        upload_source(self.engine, self.store, *ids, io.BytesIO(data), request, lambda _session: None)
        return self.work(dataset_id)

    def prompted(self, dataset: Dataset) -> list[int]:
        query = select(DatasetPrompts.image_id).where(DatasetPrompts.dataset_id == dataset.id)
        with transaction(self.engine) as session:
            return list(session.scalars(query.order_by(DatasetPrompts.image_id)))


@pytest.fixture
def listed(engine: Engine, tmp_path: Path) -> Listed:
    (tmp_path / "list.jsonl").write_text(MANIFEST)
    (tmp_path / "photos.zip").write_bytes(zipped({"b.jpg": b"b", "a.jpg": b"a"}))
    return Listed(engine, tmp_path, S3Sources({}))


def test_a_manifest_comes_with_prompts_by_name_id_or_external_id(listed: Listed) -> None:
    path = listed.root / "prompts.jsonl"
    lines: list[dict[str, Any]] = [{"external_id": "two", "objects": [BOX]}, {"external_id": 1, "objects": [BOX]}]
    path.write_text(text_of(*lines, {"file_name": "c.jpg", "objects": [BOX]}))
    request = ManifestRequest(str(listed.root / "list.jsonl"), "jsonl", prompts_path=str(path))
    dataset = listed.make(create_manifest_listing, request)
    assert (dataset.state, dataset.prompt_count, dataset.prompted_image_count) == (DatasetState.SEALED, 3, 3)
    assert dataset.categories == [{"id": 1, "name": "jar"}]
    assert listed.prompted(dataset) == [1, 2, 3]
    some = ManifestRequest(request.manifest, "jsonl", limit=1, prompts_path=str(path))
    assert listed.prompted(listed.make(create_manifest_listing, some)) == [1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"external_id": "three", "objects": [BOX]}], "line 1: 'three' is not an image of this dataset (by external_"),
        (
            [{"external_id": "two", "objects": [BOX]}, {"file_name": "b.jpg", "objects": [BOX]}],
            "line 2: the image 'b.jpg' has an earlier line",
        ),
        ([{"file_name": "\ud800", "objects": [BOX]}], "line 1: file_name has a null character or half a surrogate"),
        ([{"file_name": "b.jpg", "image_id": 1, "objects": [BOX]}], "line 1: give either file_name, or image_id"),
    ],
)
def test_prompts_that_do_not_match_fail_the_dataset(listed: Listed, lines: list[dict[str, Any]], message: str) -> None:
    path = listed.root / "prompts.jsonl"
    path.write_text(text_of(*lines))
    request = ManifestRequest(str(listed.root / "list.jsonl"), "jsonl", prompts_path=str(path))
    dataset = listed.make(create_manifest_listing, request)
    assert (dataset.state, dataset.error_code) == (DatasetState.FAILED, "prompts_invalid")
    assert (dataset.error_message or "").startswith(message)
    assert listed.prompted(dataset) == []


def test_an_archive_comes_with_prompts_and_leaves_nothing_if_they_do_not_match(listed: Listed) -> None:
    path = listed.root / "prompts.jsonl"
    path.write_text(text_of({"file_name": "a.jpg", "objects": [BOX]}))
    request = ArchiveRequest(str(listed.root / "photos.zip"), "zip", prompts_path=str(path))
    dataset = listed.make(create_archive_listing, request)
    assert (dataset.state, listed.prompted(dataset), dataset.stored_objects) == (DatasetState.SEALED, [2], 2)
    before = len(list(listed.store.list("")))
    path.write_text(text_of({"file_name": "z.jpg", "objects": [BOX]}))
    failed = listed.make(create_archive_listing, request)
    assert (failed.error_code, len(list(listed.store.list("")))) == ("prompts_invalid", before)
    path.unlink()
    assert listed.make(create_archive_listing, request).error_code == "prompts_not_found"


def test_prompts_may_be_uploaded_before_the_manifest_or_the_archive(listed: Listed) -> None:
    content = text_of({"file_name": "a.jpg", "objects": [BOX]}).encode()
    for data, request in (
        (MANIFEST.encode(), ManifestRequest("the manifest", "jsonl", base=str(listed.root))),
        (zipped({"b.jpg": b"b", "a.jpg": b"a"}), ArchiveRequest("the archive", "zip")),
    ):
        dataset_id = listed.open()
        put_prompts(listed.engine, listed.store, listed.tenant, dataset_id, io.BytesIO(content), LIMITS)
        dataset = listed.fill(dataset_id, data, request)
        assert (dataset.state, listed.prompted(dataset)) == (DatasetState.SEALED, [2])
    assert dataset.stored_objects == 3  # two images, and the prompts
    assert dataset.stored_bytes == 2 + (dataset.prompts_bytes or 0)
    dataset_id = listed.open()
    annotations = io.BytesIO(b'{"images": [], "annotations": [], "categories": []}')
    put_annotations(listed.engine, listed.store, listed.tenant, dataset_id, annotations, LIMITS.annotations)
    with pytest.raises(DatasetNotEmpty):
        listed.fill(dataset_id, MANIFEST.encode(), ManifestRequest("the manifest", "jsonl"))


def test_a_bucket_comes_with_prompts_in_a_bucket(listed: Listed, buckets: Buckets) -> None:
    content = text_of({"file_name": "b.jpg", "objects": [BOX]}).encode()
    bucket = buckets.make({"photos/a.jpg": b"a", "photos/b.jpg": b"b", "prompts.jsonl": content})
    listed.sources = S3Sources({"default": buckets.profile(bucket)})
    url = f"s3://{bucket}/photos"
    request = S3Request(url, "default", prompts_path=f"s3://{bucket}/prompts.jsonl")
    dataset = listed.make(create_s3_listing, request)
    assert (dataset.state, dataset.image_count, listed.prompted(dataset)) == (DatasetState.SEALED, 2, [2])
    missing = S3Request(url, "default", prompts_path=f"s3://{bucket}/none.jsonl")
    assert listed.make(create_s3_listing, missing).error_code == "prompts_not_found"
