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
FROM_FILE = {"kind": "prompts", "prompt": "file", "from": "prompts"}
OBJECTS = {"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
FREQUENT = [{"id": 1, "name": "cat", "frequency": "c"}, {"id": 2, "name": "dog"}]
FREQUENCIES = {1: "c", 2: None}
AGNOSTIC = [{"id": 1, "name": "object"}]


@pytest.mark.parametrize(
    ("task", "categories", "measures"),
    [
        (EVERYTHING, CATEGORIES, Measures(recall=True)),
        ({"kind": "everything", "sampler": "instances"}, CATEGORIES, Measures(recall=True)),
        (OBJECTS, CATEGORIES, Measures(recall=True, precision=True)),
        ({**OBJECTS, "boxes_from": "detector"}, CATEGORIES, Measures(recall=True)),
        (BOXES, CATEGORIES, Measures(agreement=True, precision=True)),
        (FROM_FILE, CATEGORIES, Measures(recall=True)),
        (FROM_FILE, FREQUENT, Measures(recall=True)),
        (FROM_FILE, AGNOSTIC, Measures(recall=True)),
        (EVERYTHING, FREQUENT, Measures(recall=True)),
        (OBJECTS, FREQUENT, Measures(recall=True, federated=True)),
        (BOXES, FREQUENT, Measures(agreement=True, federated=True)),
        (EVERYTHING, AGNOSTIC, Measures(recall=True, category_free=True)),
        (OBJECTS, AGNOSTIC, Measures(recall=True, precision=True)),
        (BOXES, AGNOSTIC, Measures(agreement=True, precision=True)),
    ],
)
def test_the_measures_depend_on_the_task_and_the_categories(task: Any, categories: Any, measures: Measures) -> None:
    assert Measures.of(task, categories, checked=False) == measures


@pytest.mark.parametrize(
    ("task", "measures"),
    [
        (EVERYTHING, Measures(recall=True)),
        (OBJECTS, Measures(recall=True, frequencies=FREQUENCIES)),
        (BOXES, Measures(agreement=True, frequencies=FREQUENCIES)),
    ],
)
def test_federated_annotations_with_checked_categories_get_figures_of_lvis(task: Any, measures: Measures) -> None:
    assert Measures.of(task, FREQUENT, checked=True) == measures


def test_checked_categories_do_not_make_annotations_federated() -> None:
    assert Measures.of(BOXES, CATEGORIES, checked=True) == Measures(agreement=True, precision=True)


def test_lvis_annotations_are_read_and_recognised_as_federated() -> None:
    document = json.loads(shared_path("ref", "coco_eval", "lvis_val_100.json").read_bytes())
    instances = read_annotations(lambda: io.BytesIO(json.dumps(document).encode()))
    assert len(list(instances.annotations())) == len(document["annotations"])
    assert is_federated(instances.categories)
    first = document["images"][0]
    assert instances.checked[first["id"]].negative == tuple(first["neg_category_ids"])
    assert instances.checked[first["id"]].not_exhaustive == tuple(first["not_exhaustive_category_ids"])
    assert len(instances.checked) == len(document["images"])
    assert not is_federated(CATEGORIES)
