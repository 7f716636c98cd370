from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixtures.models.shared_data import shared_path
from samfleet.datasets.allowed_paths import DirectoryNotAllowed
from samfleet.datasets.annotate import AnnotationsUnmatched
from samfleet.datasets.annotation_entries import AnnotationsInvalid, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.detections import DetectionsInvalid, DetectionsNotFound, DetectionsTooLarge
from samfleet.datasets.listing import DirectoryListing, ListingRequest, create_sealed, list_directory
from samfleet.datasets.service import DatasetNotFound, DatasetTooLarge, InputLimits, get_dataset
from samfleet.db.models import DatasetAnnotation, DatasetDetection, DatasetImage, DatasetState, Tenant
from samfleet.quality.federated import Checked
from samfleet.quality.repository import all_checked, checked_of

MIB = 2**20


@pytest.fixture
def tenant(session: Session) -> uuid.UUID:
    tenant = Tenant(name=uuid.uuid4().hex)
    session.add(tenant)
    session.flush()
    return tenant.id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.jpg", "sub/Größe.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    return tmp_path / "photos"


def listing_of(folder: Path, annotations: Path | None = None, **options: Any) -> DirectoryListing:
    request = ListingRequest(
        str(folder),
        annotations_path=str(annotations) if annotations else None,
        detections_path=str(options.pop("detections")) if "detections" in options else None,
        limit=options.pop("limit", None),
        strict_annotations=options.pop("strict", False),
    )
    limits = InputLimits(file_bytes=options.pop("max_annotations_bytes", MIB), images=options.pop("images", 100))
    return list_directory(request, [options.pop("root", folder.parent)], limits)


def test_a_dataset_from_a_directory_is_sealed(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    dataset = create_sealed(session, tenant, listing_of(folder))
    assert (dataset.name, dataset.image_count, dataset.annotation_count) == ("photos", 3, None)
    assert dataset.state is DatasetState.SEALED
    query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id).order_by(DatasetImage.position)
    images = session.scalars(query).all()
    assert [(image.position, image.image_id, image.file_name) for image in images] == [
        (0, 1, "a.jpg"),
        (1, 2, "b.jpg"),
        (2, 3, "sub/Größe.png"),
    ]
    assert images[2].uri == (folder / "sub/Größe.png").resolve().as_uri()
    assert images[2].size_bytes == 5


def test_annotations_define_the_image_ids_and_are_stored(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    triangle = [[0, 0, 4, 0, 4, 3.5]]
    runs = {"size": [3, 2], "counts": "6"}
    document = {
        "images": [
            {"id": 40, "file_name": "b.jpg"},
            {"id": 41, "file_name": "Größe.png", "width": 2, "height": 3},
            {"id": 99, "file_name": "c"},
        ],
        "categories": [{"id": 3, "name": "thing", "supercategory": "all"}],
        "annotations": [
            {"id": 1, "image_id": 40, "category_id": 3, "segmentation": triangle},
            {"id": 2, "image_id": 41, "category_id": 3, "segmentation": runs, "iscrowd": 1, "area": 4},
            {"id": 3, "image_id": 99, "category_id": 3, "segmentation": triangle},
        ],
    }
    path = folder.parent / "instances.json"
    path.write_text(json.dumps(document))
    dataset = create_sealed(session, tenant, listing_of(folder, path), name="mine")
    assert (dataset.name, dataset.annotation_count, dataset.categories) == ("mine", 2, document["categories"])
    images = session.scalars(select(DatasetImage).order_by(DatasetImage.position)).all()
    assert [image.image_id for image in images] == [100, 40, 41]
    assert [(image.stated_width, image.stated_height) for image in images] == [(None, None), (None, None), (2, 3)]
    rows = session.scalars(select(DatasetAnnotation).order_by(DatasetAnnotation.annotation_id)).all()
    assert [(row.image_id, row.bbox, row.area, row.iscrowd) for row in rows] == [
        (40, [0, 0, 4, 3.5], 7, False),
        (41, [0, 0, 0, 0], 4, True),
    ]
    assert [row.segmentation for row in rows] == [triangle, runs]


NAMED = {"images": [{"id": 1, "file_name": "sub\\Gro\u0308ße.png"}, {"id": 2, "file_name": "gone.jpg"}]}


def annotated_by(path: Path, **changes: Any) -> Path:
    triangle = [[0, 0, 4, 0, 4, 3.5]]
    annotations = [{"id": number, "image_id": 1 + number % 2, "category_id": 3} for number in range(8)]
    entries = [{**entry, "segmentation": triangle} for entry in annotations]
    path.write_text(json.dumps({**NAMED, "annotations": entries, **changes}))
    return path


def test_used_and_unused_annotations_are_counted(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    path = annotated_by(folder.parent / "instances.json")
    dataset = create_sealed(session, tenant, listing_of(folder, path))
    assert (dataset.annotated_image_count, dataset.annotation_count) == (1, 4)
    assert (dataset.unused_annotation_count, dataset.box_annotation_count) == (4, 0)


def test_boxes_without_a_mask_are_counted(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "segmentation": []}
    path = annotated_by(folder.parent / "instances.json", annotations=[box])
    dataset = create_sealed(session, tenant, listing_of(folder, path))
    assert (dataset.annotation_count, dataset.box_annotation_count) == (1, 1)
    assert session.scalars(select(DatasetAnnotation.segmentation)).one() == []


def test_strict_annotations_are_refused_if_any_is_unused(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    path = annotated_by(folder.parent / "instances.json")
    with pytest.raises(AnnotationsUnmatched, match="1 of 3 images annotated, 4 of 8 annotations unused"):
        create_sealed(session, tenant, listing_of(folder, path, strict=True))


def test_strict_annotations_of_a_limited_folder_may_include_other_images(
    session: Session, tenant: uuid.UUID, folder: Path
) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    path = annotated_by(folder.parent / "instances.json", images=images)
    limited = create_sealed(session, tenant, listing_of(folder, path, limit=1, strict=True))
    assert (limited.annotation_count, limited.unused_annotation_count) == (4, 4)


def test_a_limit_takes_the_first_images(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    assert create_sealed(session, tenant, listing_of(folder, limit=2)).image_count == 2


def test_a_folder_of_too_many_images_is_refused_unless_limited(folder: Path) -> None:
    with pytest.raises(DatasetTooLarge, match="has 3 images, more than 2"):
        listing_of(folder, images=2)
    assert len(listing_of(folder, images=2, limit=2).names) == 2


@pytest.mark.parametrize("kind", ["annotations", "detections"])
def test_devices_and_pipes_are_refused_immediately(folder: Path, kind: str) -> None:
    os.mkfifo(folder.parent / "pipe")
    expected = AnnotationsNotFound if kind == "annotations" else DetectionsNotFound
    with pytest.raises(expected, match="a named pipe, not a regular file"):
        listing_of(folder, **{kind: folder.parent / "pipe"})
    with pytest.raises(DirectoryNotAllowed, match="operating system"):
        listing_of(folder, root=Path("/"), **{kind: Path("/dev/zero")})


def test_the_annotations_file_must_be_inside_the_roots_and_the_limit(folder: Path) -> None:
    outside = folder.parent / "outside.json"
    outside.write_text("{}")
    with pytest.raises(DirectoryNotAllowed):
        listing_of(folder, outside, root=folder)
    with pytest.raises(AnnotationsNotFound, match="No such file"):
        listing_of(folder, folder / "missing.json")
    with pytest.raises(AnnotationsNotFound, match="Is a directory"):
        listing_of(folder, folder)
    with pytest.raises(AnnotationsTooLarge, match="2 bytes"):
        listing_of(folder, outside, max_annotations_bytes=1)


def test_annotations_of_other_images_are_refused(folder: Path) -> None:
    path = folder.parent / "instances.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "other.jpg"}], "annotations": []}))
    with pytest.raises(AnnotationsInvalid, match="none of the file names"):
        listing_of(folder, path)


def detections_file(folder: Path, *image_ids: int) -> Path:
    entries = [
        {"image_id": image_id, "category_id": 3, "bbox": [0, 1, 2, 3.5], "score": 0.25 * number}
        for number, image_id in enumerate(image_ids)
    ]
    path = folder.parent / "detections.json"
    path.write_text(json.dumps(entries))
    return path


def annotations_file(folder: Path, **image_ids: int) -> Path:
    images = [{"id": image_id, "file_name": f"{name}.jpg"} for name, image_id in image_ids.items()]
    path = folder.parent / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": []}))
    return path


def test_without_annotations_detections_refer_to_ids_in_order_of_names(
    session: Session, tenant: uuid.UUID, folder: Path
) -> None:
    listing = listing_of(folder, detections=detections_file(folder, 3, 1, 3))
    dataset = create_sealed(session, tenant, listing)
    assert (dataset.detection_count, dataset.annotation_count) == (3, None)
    rows = session.scalars(select(DatasetDetection).order_by(DatasetDetection.detection_id)).all()
    assert [(row.image_id, row.detection_id, row.category_id, row.bbox, row.score) for row in rows] == [
        (3, 1, 3, [0, 1, 2, 3.5], 0.0),
        (1, 2, 3, [0, 1, 2, 3.5], 0.25),
        (3, 3, 3, [0, 1, 2, 3.5], 0.5),
    ]


def test_detections_refer_to_the_image_ids_of_the_annotations(folder: Path) -> None:
    annotations = annotations_file(folder, b=40, elsewhere=41)
    listing = listing_of(folder, annotations, detections=detections_file(folder, 41, 40, 42))
    assert listing.detections is not None
    assert [one.image_id for one in listing.detections] == [40, 42]  # a.jpg has id 42
    with pytest.raises(DetectionsInvalid, match=r"detections\[1\]: image_id 45 is not an image of this dataset"):
        listing_of(folder, annotations, detections=detections_file(folder, 40, 45))


def test_a_limit_may_exclude_detections(folder: Path) -> None:
    path = detections_file(folder, 1, 3, 2)
    listing = listing_of(folder, detections=path, limit=2)
    assert [one.detection_id for one in listing.detections or ()] == [1, 3]
    with pytest.raises(DetectionsInvalid, match="image_id 4"):
        listing_of(folder, detections=detections_file(folder, 1, 4))


def test_the_detections_file_must_be_inside_the_roots_and_the_limit(folder: Path) -> None:
    outside = detections_file(folder)
    with pytest.raises(DirectoryNotAllowed):
        listing_of(folder, detections=outside, root=folder)
    with pytest.raises(DetectionsNotFound, match="No such file"):
        listing_of(folder, detections=folder / "missing.json")
    with pytest.raises(DetectionsTooLarge, match="2 bytes"):
        listing_of(folder, detections=outside, max_annotations_bytes=1)


def test_a_dataset_of_another_tenant_is_not_found(session: Session, tenant: uuid.UUID, folder: Path) -> None:
    dataset = create_sealed(session, tenant, listing_of(folder))
    assert get_dataset(session, tenant, dataset.id) is dataset
    with pytest.raises(DatasetNotFound):
        get_dataset(session, uuid.uuid4(), dataset.id)


def test_real_photographs_are_read_with_their_annotations(session: Session, tenant: uuid.UUID) -> None:
    data = shared_path("data", "coco_dev")
    dataset = create_sealed(session, tenant, listing_of(data / "images", data / "instances.json"))
    assert (dataset.image_count, dataset.annotation_count) == (66, 560)
    first = session.scalars(select(DatasetImage).where(DatasetImage.position == 0)).one()
    assert first.file_name == f"{first.image_id:012d}.jpg"


def federated(folder: Path, *absent: int) -> Path:
    """Write a file of LVIS's form for two of the folder's three images."""
    checked = {"neg_category_ids": list(absent), "not_exhaustive_category_ids": []}
    images = [
        {"id": 8, "coco_url": "http://images.cocodataset.org/train2017/b.jpg", **checked},
        {"id": 5, "coco_url": "http://images.cocodataset.org/val2017/a.jpg", **checked},
    ]
    path = folder.parent / "lvis.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 3, "frequency": "r"}]}))
    return path


def test_federated_categories_are_stored_and_belong_to_the_content(
    session: Session, tenant: uuid.UUID, folder: Path
) -> None:
    dataset = create_sealed(session, tenant, listing_of(folder, federated(folder, 3, 4)))
    query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id).order_by(DatasetImage.position)
    stored = [
        (one.image_id, one.neg_category_ids, one.not_exhaustive_category_ids) for one in session.scalars(query).all()
    ]
    assert stored == [(5, [3, 4], []), (8, [3, 4], []), (9, None, None)]
    assert all_checked(session, dataset)
    assert checked_of(session, dataset.id, [8, 9]) == {8: Checked(frozenset({3, 4}))}
    same = create_sealed(session, tenant, listing_of(folder, federated(folder, 3, 4)))
    other = create_sealed(session, tenant, listing_of(folder, federated(folder, 3)))
    assert same.content_sha256 == dataset.content_sha256 != other.content_sha256


def test_annotations_without_federated_categories_are_not_checked(
    session: Session, tenant: uuid.UUID, folder: Path
) -> None:
    path = folder.parent / "coco.json"
    path.write_text(json.dumps({"images": [{"id": 8, "file_name": "b.jpg"}], "annotations": [], "categories": []}))
    dataset = create_sealed(session, tenant, listing_of(folder, path))
    assert not all_checked(session, dataset)
    assert checked_of(session, dataset.id, [8]) == {}
