"""Prompts files of buckets, manifests and archives: by path or address, or uploaded before."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from fixtures.datasets.labels import IMAGES, WRITERS, packed_labels, write_yolo
from fixtures.images.archives import zipped
from fixtures.servers.s3_server import Buckets
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.archives.listing import ArchiveRequest, create_archive_listing
from samfleet.datasets.listing import ListingRequest, create_listing
from samfleet.datasets.manifests.errors import DatasetNotEmpty
from samfleet.datasets.manifests.listing import ManifestRequest, create_manifest_listing
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
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
        self.limits = LIMITS
        self.store, self.tenant = MemoryStore(), tenant_of(engine)

    def make(self, create: Callable[..., Dataset], request: object) -> Dataset:
        with transaction(self.engine) as session:
            dataset_id = create(session, self.tenant, request).id
        return self.work(dataset_id)

    def work(self, dataset_id: uuid.UUID) -> Dataset:
        list_dataset(self.engine, dataset_id, (self.root,), self.limits, self.sources, store=self.store)
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


@pytest.mark.parametrize(("form", "packed"), [*((form, False) for form in WRITERS), ("yolo", True), ("voc", True)])
def test_labels_of_each_tool_may_lie_beside_the_images(listed: Listed, form: LabelFormat, packed: bool) -> None:
    folder = listed.root / "images"
    for name in IMAGES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"image")
    (listed.root / "labels of").mkdir()
    path = WRITERS[form](listed.root / "labels of")
    if packed:
        (listed.root / "labels.zip").write_bytes(packed_labels(form, path).read())
        path = listed.root / "labels.zip"
    (listed.root / "named.jsonl").write_text(text_of(*({"image": f"images/{n}", "file_name": n} for n in IMAGES)))
    prompts: dict[str, Any] = {"prompts_path": str(path), "prompts_format": form}
    for dataset in (
        listed.make(create_listing, ListingRequest(str(folder), **prompts)),
        listed.make(create_manifest_listing, ManifestRequest(str(listed.root / "named.jsonl"), "jsonl", **prompts)),
    ):
        assert (dataset.state, dataset.error_message) == (DatasetState.SEALED, None)
        assert (dataset.prompt_count, dataset.prompted_image_count) == (3, 2)
        assert sorted(one["name"] for one in dataset.categories or ()) == ["jar", "lid"]


def test_labels_in_a_bucket_are_read_as_an_upload_of_them(listed: Listed, buckets: Buckets) -> None:
    photos = {f"photos/{name}": b"image" for name in IMAGES}
    labels = packed_labels("yolo", write_yolo(listed.root)).read()
    bucket = buckets.make({**photos, "labels.zip": labels, "broken.zip": labels[:60]})
    listed.sources = S3Sources({"default": buckets.profile(bucket)})

    def made(name: str, **options: Any) -> Dataset:
        prompts: dict[str, Any] = {"prompts_path": f"s3://{bucket}/{name}", "prompts_format": "yolo"}
        return listed.make(create_s3_listing, S3Request(f"s3://{bucket}/photos", "default", **prompts, **options))

    dataset = made("labels.zip")
    assert (dataset.state, listed.prompted(dataset)) == (DatasetState.SEALED, [2, 3])
    assert listed.prompted(made("labels.zip", limit=2)) == [2]
    assert made("broken.zip").error_code == "archive_invalid"
    assert made("none.zip").error_code == "prompts_not_found"


def test_a_folder_of_labels_is_bounded_and_stays_below_the_roots(listed: Listed, tmp_path: Path) -> None:
    listed.root, outside = tmp_path / "root", tmp_path / "outside"
    labels = listed.root / "labels"
    labels.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("root:x:0")
    (tmp_path / "classes.txt").write_text("secret\n")  # two folders above the labels, outside of the root
    (listed.root / "images").mkdir()
    (listed.root / "images" / "a.jpg").write_bytes(b"image")

    def made(**options: Any) -> Dataset:
        request: dict[str, Any] = {"prompts_path": str(labels), "prompts_format": "yolo", **options}
        return listed.make(create_listing, ListingRequest(str(listed.root / "images"), **request))

    assert made().error_code == "labels_unreadable"
    (labels / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    dataset = made()
    assert (dataset.state, dataset.categories) == (DatasetState.SEALED, None)
    (labels / "b.txt").symlink_to(outside / "secret.txt")
    refused = made()
    assert refused.error_code == "directory_not_allowed"
    assert "root:x" not in (refused.error_message or "")
    (labels / "b.txt").unlink()
    (labels / "outside").symlink_to(outside)
    assert made().state is DatasetState.SEALED
    assert made(prompts_path=str(labels / "none")).error_code == "prompts_not_found"
    listed.limits = replace(LIMITS, file_bytes=5)
    assert made().error_code == "prompts_too_large"


OBJECTS = [{**BOX, "points": [[1, 1]], "labels": [0]}, {"id": 2, "category": "lid", "points": [[1, 1]]}]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_lines_of_a_manifest_may_have_prompts(listed: Listed, form: str) -> None:
    path = listed.root / f"prompted.{form}"
    if form == "jsonl":
        second = {"image": "a.jpg", "objects": OBJECTS, "coordinates": "relative"}
        path.write_text(
            text_of({"image": "b.jpg"}, {**second, "objects": [BOX]}, {"image": "c.jpg", "objects": OBJECTS})
        )
    else:
        quoted = [json.dumps(objects).replace('"', '""') for objects in ([BOX], OBJECTS)]
        path.write_text(f'image,objects,coordinates\nb.jpg,,\na.jpg,"{quoted[0]}",relative\nc.jpg,"{quoted[1]}",\n')
    dataset = listed.make(create_manifest_listing, ManifestRequest(str(path), form))  # type: ignore[arg-type]
    assert (dataset.state, dataset.error_message) == (DatasetState.SEALED, None)
    assert (dataset.prompt_count, dataset.prompted_image_count, dataset.mask_prompt_count) == (3, 2, 0)
    assert dataset.categories == [{"id": 1, "name": "jar"}, {"id": 2, "name": "lid"}]
    with transaction(listed.engine) as session:
        query = select(DatasetPrompts).where(DatasetPrompts.dataset_id == dataset.id).order_by(DatasetPrompts.image_id)
        rows = list(session.scalars(query))
    assert [(row.image_id, row.coordinates, row.prompt_count) for row in rows] == [(2, "relative", 1), (3, "pixels", 2)]
    assert rows[1].objects[0] == {
        "id": "1",
        "category_id": 1,
        "prompts": [{"points": [[1, 1]], "labels": [0], "box": [0, 0, 2, 2], "multimask": False}],
    }


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ({"objects": "[" * 9999}, "manifest_invalid", "line 2: objects is not valid JSON"),
        ({"objects": {}}, "prompts_invalid", "line 2: objects must be a list"),
        ({"objects": [{"id": 1}]}, "prompts_invalid", "line 2, objects[0], object '1': a prompt has neither"),
        ({"objects": [{"id": 1, "box": [0, 0, 1e999, 1]}]}, "prompts_invalid", "line 2, objects[0]"),
        ({"objects": [BOX], "coordinates": "percent"}, "prompts_invalid", "line 2: coordinates is 'pixels'"),
        ({"objects": [{**BOX, "category_id": 3, "category": None}]}, "prompts_invalid", "line 2: the file has both"),
    ],
)
def test_wrong_prompts_in_a_manifest_name_the_line(
    listed: Listed, line: dict[str, Any], code: str, message: str
) -> None:
    path = listed.root / "prompted.jsonl"
    path.write_text(text_of({"image": "b.jpg", "objects": [BOX]}, {"image": "a.jpg", **line}))
    dataset = listed.make(create_manifest_listing, ManifestRequest(str(path), "jsonl"))
    assert (dataset.state, dataset.error_code) == (DatasetState.FAILED, code)
    assert (dataset.error_message or "").startswith(message)


def test_prompts_of_a_manifest_are_bounded_and_not_given_twice(listed: Listed) -> None:
    path, prompts = listed.root / "prompted.jsonl", listed.root / "prompts.jsonl"
    path.write_text(text_of({"image": "b.jpg", "objects": OBJECTS}))
    prompts.write_text(text_of({"file_name": "b.jpg", "objects": [BOX]}))
    twice = ManifestRequest(str(path), "jsonl", prompts_path=str(prompts))
    assert listed.make(create_manifest_listing, twice).error_code == "prompts_invalid"
    listed.limits = replace(LIMITS, annotations=AnnotationLimits(objects=1))
    assert listed.make(create_manifest_listing, ManifestRequest(str(path), "jsonl")).error_code == "prompts_too_large"
