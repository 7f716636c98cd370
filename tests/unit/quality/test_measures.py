from __future__ import annotations

import io
import json
from typing import Any

import pytest

from fixtures.models.shared_data import shared_path
from samfleet.datasets.annotations import read_annotations
from samfleet.quality.measures import Measures, is_federated

EVERYTHING = {"kind": "everything"}
BOXES = {"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": False}
OBJECTS = {"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}
CATEGORIES = [{"id": 1, "name": "cat"}]
FREQUENT = [{"id": 1, "name": "cat", "frequency": "c"}]


@pytest.mark.parametrize(
    ("task", "categories", "measures"),
    [
        (EVERYTHING, CATEGORIES, Measures(recall=True)),
        ({"kind": "everything", "sampler": "instances"}, CATEGORIES, Measures(recall=True)),
        (OBJECTS, CATEGORIES, Measures(recall=True, precision=True)),
        ({**OBJECTS, "boxes_from": "detector"}, CATEGORIES, Measures(recall=True)),
        (BOXES, CATEGORIES, Measures(agreement=True, precision=True)),
        (EVERYTHING, FREQUENT, Measures(recall=True)),
        (OBJECTS, FREQUENT, Measures(recall=True, federated=True)),
        (BOXES, FREQUENT, Measures(agreement=True, federated=True)),
    ],
)
def test_the_measures_depend_on_the_task_and_the_categories(task: Any, categories: Any, measures: Measures) -> None:
    assert Measures.of(task, categories) == measures


def test_lvis_annotations_are_read_and_recognised_as_federated() -> None:
    document = json.loads(shared_path("ref", "coco_eval", "lvis_val_100.json").read_bytes())
    instances = read_annotations(lambda: io.BytesIO(json.dumps(document).encode()))
    assert len(list(instances.annotations())) == len(document["annotations"])
    assert is_federated(instances.categories)
    assert not is_federated(CATEGORIES)
