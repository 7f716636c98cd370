from __future__ import annotations

import io
import json
from typing import Any

import pytest

from samfleet.datasets.detections import Detection, Detections, DetectionsInvalid, read_detections

GOOD: dict[str, Any] = {"image_id": 7, "category_id": 3, "bbox": [1, 2.5, 3, 4], "score": 0.5}


def read(document: Any) -> Detections:
    return read_detections(io.BytesIO(json.dumps(document).encode()))


def test_results_are_numbered_like_in_the_coco_tools() -> None:
    other = {**GOOD, "image_id": 9, "score": 1.25, "segmentation": {"size": [1, 1], "counts": "0"}, "id": 77}
    assert list(read([GOOD, other])) == [
        Detection(1, 7, 3, (1.0, 2.5, 3.0, 4.0), 0.5),
        Detection(2, 9, 3, (1.0, 2.5, 3.0, 4.0), 1.25),
    ]
    assert len(read([])) == 0


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (7, r"detections\[1\] must be an object"),
        ({**GOOD, "image_id": "7"}, r"detections\[1\]: image_id must be a whole number"),
        ({**GOOD, "image_id": True}, "image_id must be a whole number"),
        ({**GOOD, "category_id": -1}, "category_id must be a whole number"),
        ({"image_id": 7, "category_id": 1, "score": 1}, "bbox must be four numbers"),
        ({**GOOD, "bbox": [1, 2, 3]}, "bbox must be four numbers"),
        ({**GOOD, "bbox": [1, 2, 3, "4"]}, "bbox must be four numbers"),
        ({**GOOD, "bbox": [1, 2, -3, 4]}, "negative width or height"),
        ({**GOOD, "score": None}, "score must be a number"),
    ],
)
def test_a_wrong_entry_is_named(entry: Any, message: str) -> None:
    with pytest.raises(DetectionsInvalid, match=message):
        read([GOOD, entry])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"annotations": []}', "must be a JSON list; give a list of COCO results"),
        (b"[{]", "is not JSON in entry 0"),
        (b'[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]', "NaN in entry 0"),
        (b"", "must be a JSON list"),
    ],
)
def test_a_file_other_than_a_list_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(DetectionsInvalid, match=message):
        read_detections(io.BytesIO(text))


def test_only_images_of_the_dataset_count() -> None:
    found = read([{**GOOD, "image_id": image_id} for image_id in (7, 8, 7, 9)])
    assert [(one.detection_id, one.image_id) for one in found.of_images({7, 10}, {8, 9})] == [(1, 7), (3, 7)]
    assert [one.detection_id for one in found.of_images({9}, None)] == [4]
    with pytest.raises(DetectionsInvalid, match=r"detections\[3\]: image_id 9 is not an image of this dataset"):
        found.of_images({7}, {8})
    with pytest.raises(DetectionsInvalid, match=r"detections\[0\]: image_id 7"):
        found.of_images({1}, None)
    assert len(read([]).of_images({1})) == 0
