from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from fixtures.models.shared_data import shared_path
from samfleet.datasets.annotation_entries import AnnotationLimits, AnnotationsInvalid, AnnotationsTooLarge
from samfleet.datasets.annotations import CocoInstances, Tally, read_annotations

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]


def document(**changes: Any) -> dict[str, Any]:
    """Two images and one annotation; `changes` replace members of the annotation, None removes one."""
    annotation = {
        "id": 5,
        "image_id": 7,
        "category_id": 1,
        "bbox": [10, 10, 10, 10],
        "area": 100,
        "iscrowd": 0,
        "segmentation": SQUARE,
    }
    annotation = {name: value for name, value in {**annotation, **changes}.items() if value is not None}
    images = [{"id": 7, "file_name": "a.jpg", "height": 50, "width": 60}, {"id": 8, "file_name": "b.jpg"}]
    return {"images": images, "annotations": [annotation], "categories": [{"id": 1, "name": "thing"}]}


def read(value: Any) -> CocoInstances:
    return read_bytes(json.dumps(value).encode())


def read_bytes(content: bytes, limits: AnnotationLimits | None = None) -> CocoInstances:
    """Read the annotations from bytes and check them to the last one."""
    instances = read_annotations(lambda: io.BytesIO(content), limits)
    tuple(instances.annotations())
    return instances


def test_a_plain_file_is_read() -> None:
    instances = read(document())
    assert instances.image_ids == {"a.jpg": 7, "b.jpg": 8}
    assert instances.categories == ({"id": 1, "name": "thing"},)
    (annotation,) = instances.annotations()
    assert (annotation.annotation_id, annotation.image_id, annotation.category_id) == (5, 7, 1)
    assert (annotation.bbox, annotation.area, annotation.iscrowd) == ((10, 10, 10, 10), 100, False)
    assert annotation.segmentation == SQUARE


def test_optional_coco_fields_are_derived() -> None:
    (annotation,) = read(document(bbox=None, area=None, iscrowd=None)).annotations()
    assert (annotation.bbox, annotation.area, annotation.iscrowd) == ((10, 10, 10, 10), 100, False)
    assert read({"images": [], "annotations": []}).categories == ()


@pytest.mark.parametrize("name", ["bbox", "area", "iscrowd"])
def test_null_counts_as_missing(name: str) -> None:
    value = document()
    value["annotations"][0][name] = None
    (annotation,) = read(value).annotations()
    assert (annotation.bbox, annotation.area, annotation.iscrowd) == ((10, 10, 10, 10), 100, False)


@pytest.mark.parametrize("segmentation", [[], None, "absent"])
def test_a_box_alone_is_an_annotation_without_a_mask(segmentation: Any) -> None:
    """CVAT's rectangles and Roboflow's boxes have this form."""
    value = document(bbox=[1, 2, 30, 4.5], area=None)
    if segmentation == "absent":
        del value["annotations"][0]["segmentation"]
    else:
        value["annotations"][0]["segmentation"] = segmentation
    instances, tally = read(value), Tally()
    (annotation,) = instances.of_images([7], tally)
    assert (annotation.bbox, annotation.area, annotation.segmentation) == ((1, 2, 30, 4.5), 135, [])
    assert (tally.used, tally.boxes) == (1, 1)


def test_original_names_from_exports_are_kept() -> None:
    value = document()
    value["images"][0]["extra"] = {"name": "photo.jpg"}
    value["images"][1]["extra"] = {"name": 5}
    assert read(value).originals == {7: "photo.jpg"}


def test_unknown_members_of_run_lengths_are_dropped() -> None:
    runs = {"size": [50, 60], "counts": [3000], "note": "\x00"}
    (annotation,) = read(document(segmentation=runs, iscrowd=1)).annotations()
    assert annotation.segmentation == {"size": [50, 60], "counts": [3000]}
    assert annotation.iscrowd


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "5"}, r"annotations\[0\]: id must be a whole number"),
        ({"id": True}, r"annotations\[0\]: id must be"),
        ({"id": 2**70}, r"annotations\[0\]: id must be"),
        ({"image_id": 9}, r"annotations\[0\] \(id 5\): image_id 9 is not in images"),
        ({"category_id": 1.5}, r"\(id 5\): category_id must be"),
        ({"bbox": [1, 2, 3]}, "bbox must be four numbers"),
        ({"bbox": [1, 2, -3, 4]}, "negative width or height"),
        ({"bbox": [1, 2, "3", 4]}, "bbox must be four numbers"),
        ({"area": -1}, "area must be"),
        ({"area": "1"}, "area must be"),
        ({"iscrowd": 2}, "iscrowd must be 0 or 1"),
        ({"iscrowd": [0]}, "iscrowd must be 0 or 1"),
        ({"segmentation": [], "bbox": None}, r"annotations\[0\] \(id 5\): it has neither a segmentation nor a bbox"),
        ({"segmentation": {}}, r"\(id 5\): size must be"),
        ({"segmentation": "box"}, r"\(id 5\): segmentation must be a list of polygons"),
        ({"segmentation": {"size": [5, 5], "counts": [25]}}, r"size \[5, 5\] is not the image's"),
    ],
)
def test_an_error_names_the_annotation_and_what_is_wrong(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=reason):
        read(document(**changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": None}, "needs a list named 'images'"),
        ({"annotations": {}}, "needs a list named 'annotations'"),
        ({"categories": "x"}, "needs a list named 'categories'"),
        ({"annotations": [3]}, r"annotations\[0\] must be an object"),
        ({"images": [{"id": 1}]}, r"images\[0\]: file_name, or coco_url without one, must be"),
        ({"images": [{"file_name": "a"}]}, r"images\[0\]: id must be"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, r"images\[1\]: id 1 occurs twice"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}, "'a' occurs twice"),
        ({"categories": [{"id": 1}, {"id": 1}]}, r"categories\[1\]: id 1 occurs twice"),
        ({"categories": [{"id": 1, "name": "\x00"}]}, "cannot be stored"),
        ({"categories": [{"id": 1, "name": "\ud800"}]}, "cannot be stored"),
        ({"annotations": document()["annotations"] * 2}, r"annotations\[1\]: id 5 occurs twice"),
    ],
)
def test_an_error_names_the_part_of_the_file(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=reason):
        read({**document(), **changes})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "must be a JSON object"),
        (b"\xff\xfe\xff", "not UTF-8 text"),
        (b'{"images": [NaN]}', "has NaN in"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"images": [' + b"9" * 5000 + b"]}", "not JSON"),
    ],
)
def test_files_other_than_a_json_object_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=reason):
        read_bytes(content)


def test_only_annotations_of_the_datasets_images_are_kept() -> None:
    instances = read(document())
    tally = Tally()
    assert len(list(instances.of_images([7, 100], tally))) == 1
    assert (tally.used, tally.unused) == (1, 0)
    assert list(instances.of_images([8], tally)) == []
    assert (tally.used, tally.unused) == (1, 1)
    with pytest.raises(AnnotationsInvalid, match=r"none of the file names .* \(2, such as 'a.jpg'\)"):
        instances.require_any([9])


def test_a_real_file_is_read_completely() -> None:
    path = shared_path("data", "coco_dev", "instances.json")
    instances = read_annotations(lambda: path.open("rb"))
    annotations = list(instances.annotations())
    assert (len(instances.image_ids), len(annotations), len(instances.categories)) == (66, 560, 80)
    assert sum(annotation.iscrowd for annotation in annotations) == 8


def test_the_images_may_follow_the_annotations() -> None:
    value = document()
    (annotation,) = read({name: value[name] for name in ("annotations", "categories", "images")}).annotations()
    assert annotation.image_id == 7


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (AnnotationLimits(entries=2), "SAMFLEET_MAX_ANNOTATIONS"),
        (AnnotationLimits(objects=2), r"annotations\[2\] \(id 2\): image_id 7 .* SAMFLEET_MAX_OBJECTS_PER_IMAGE"),
        (AnnotationLimits(segmentation_bytes=150), r"annotations\[2\].*SAMFLEET_MAX_ANNOTATION_BYTES_PER_IMAGE"),
    ],
)
def test_annotations_beyond_a_limit_are_refused(limits: AnnotationLimits, reason: str) -> None:
    value = document()
    value["annotations"] = [{**value["annotations"][0], "id": number} for number in range(3)]
    with pytest.raises(AnnotationsTooLarge, match=reason):
        read_bytes(json.dumps(value).encode(), limits)
    assert len(list(read(value).annotations())) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_id": 8, "segmentation": {"size": [65535, 65535], "counts": [0, 65535**2]}}, "more pixels than"),
        ({"segmentation": [[0, 0, 1e7, 0, 0, 1e7]]}, "pixels long"),
        ({"segmentation": [[0, 0, 1e300, 0, 0, 5]]}, "not a finite number"),
    ],
)
def test_a_segmentation_far_larger_than_an_image_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=reason):
        read(document(**changes))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"images": [], "images": [], "annotations": []}', "'images' twice"),
        (b'{"images": [], "annotations": []} x', "continues after the end"),
        (b'{"images": [], "annotations": [] "x"}', "where ','"),
        (b'{"images" []}', "names in double quotes"),
        (b"{images: []}", "names in double quotes"),
        (b'{"images": [], "annotations": [], "categories": [{"id": 1, "n": 1e999}]}', "number is too large"),
        (b'{"images": [{"id": 1, "file_name": "' + b"a" * 1025 + b'"}]}', "1 to 1024 characters"),
    ],
)
def test_malformed_and_oversized_objects_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=reason):
        read_bytes(content)


def test_memory_stays_flat_while_a_large_file_is_read() -> None:
    """Read 6.6 MiB of polygons in 4 MiB; parsing them as one document takes 45 MiB."""
    entry = json.dumps({**document()["annotations"][0], "segmentation": [[1.25, 2.5, 3.75, 4.5] * 100]})
    pieces = [json.dumps({"images": document()["images"]})[:-1] + ', "annotations": [']
    pieces += [("," if number else "") + entry.replace('"id": 5', f'"id": {number}') for number in range(3_000)]
    content = ("".join(pieces) + "]}").encode()
    assert len(content) > 6 * 2**20
    instances = read_annotations(
        lambda: io.BytesIO(content), AnnotationLimits(objects=20_000, segmentation_bytes=2**30)
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in instances.annotations()) == 3_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * 2**20
