"""Figures published by COCO's authors for the results that their tools include."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
from pycocotools import mask as coco

from fixtures.images.coco_evaluation import assert_same_figures, by_image, official
from fixtures.models.shared_data import shared_path
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.protocol import AREAS, CLASS_AWARE, Area, Found, Truth
from samfleet.quality.segmentation import annotation_rle

PUBLISHED = {
    "segm": [0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381],
    "bbox": [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564],
}
SIZES: tuple[Area, ...] = ("small", "medium", "large")
Entry = Mapping[str, Any]
Shapes = Literal["segm", "bbox"]


def truth(entry: Entry, image: Entry, shapes: Shapes) -> Truth:
    boxed = shapes == "bbox"
    shape = entry["bbox"] if boxed else annotation_rle(entry["segmentation"], image["height"], image["width"])
    return Truth(entry["category_id"], entry["area"], bool(entry["iscrowd"]), shape)


def found(entry: Entry, shapes: Shapes) -> Found:
    if shapes == "bbox":
        return Found(entry["category_id"], entry["score"], entry["bbox"][2] * entry["bbox"][3], entry["bbox"])
    rle = entry["segmentation"]
    return Found(entry["category_id"], entry["score"], float(coco.area(rle)), rle)


@pytest.mark.parametrize("shapes", ["segm", "bbox"])
def test_the_figures_of_the_fake_results_of_coco_are_reproduced(shapes: Shapes) -> None:
    document = json.loads(shared_path("ref", "coco_eval", "instances_val2014_100.json").read_bytes())
    name = f"instances_val2014_fake{shapes}100_results.json"
    results = json.loads(shared_path("ref", "coco_eval", name).read_bytes())
    protocol = replace(CLASS_AWARE, shapes=shapes)
    ours, annotations, detections = Evaluation(protocol), by_image(document["annotations"]), by_image(results)
    for image in sorted(document["images"], key=lambda image: image["id"] % 97):  # in another order than the ids
        truths = [truth(entry, image, shapes) for entry in annotations.get(image["id"], ())]
        ours.add(image["id"], truths, [found(entry, shapes) for entry in detections.get(image["id"], ())])
    precisions = {area: ours.precisions(area) for area in AREAS}
    means = {area: values.mean() for area, values in precisions.items() if values is not None}
    whole = precisions["all"]
    assert whole is not None
    figures = [means["all"], whole[0].mean(), whole[5].mean(), *(means[size] for size in SIZES)]
    figures += [ours.recall("all", limit) for limit in (1, 10, 100)] + [ours.recall(size, 100) for size in SIZES]
    assert [round(float(figure), 3) for figure in figures] == PUBLISHED[shapes]
    assert_same_figures(ours, official(document, results, protocol), protocol)
