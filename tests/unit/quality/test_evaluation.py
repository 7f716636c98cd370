"""Streamed figures against pycocotools' on synthetic masks, with crowds, ties, and images in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from fixtures.images.coco_evaluation import assert_same_figures, by_image, official
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.protocol import AREAS, CATEGORY_FREE, CLASS_AGNOSTIC, CLASS_AWARE, Found, Protocol, Truth

SIDE = 160
IMAGES = (3, 1, 7, 40, 5)


def rectangle(random: np.random.Generator) -> dict[str, Any]:
    """Return a rectangle of whole eighths of the image; equal masks and equal overlaps occur."""
    pixels = np.zeros((SIDE, SIDE), dtype=np.uint8, order="F")
    top, left, height, width = random.integers(0, 6, 2).tolist() + random.integers(1, 8, 2).tolist()
    pixels[20 * top : 20 * (top + height), 20 * left : 20 * (left + width)] = 1
    code = coco.encode(pixels)
    return {"size": code["size"], "counts": code["counts"].decode()}


def make_up(random: np.random.Generator) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id in IMAGES:
        for _ in range(int(random.integers(0, 9))):
            rle = rectangle(random)
            fields = {"image_id": image_id, "category_id": int(random.choice([2, 5, 9])), "id": len(annotations) + 1}
            area = float(coco.area(rle)) * float(random.choice([0.2, 1.0]))
            annotations.append({**fields, "area": area, "iscrowd": int(random.random() < 0.2), "segmentation": rle})
        for _ in range(int(random.integers(0, 30))):
            fields = {"image_id": image_id, "category_id": int(random.choice([2, 5, 9]))}
            results.append(
                {**fields, "score": float(random.choice([0.5, 0.6, 0.9])), "segmentation": rectangle(random)}
            )
    images = [{"id": image_id, "height": SIDE, "width": SIDE} for image_id in IMAGES]
    categories = [{"id": number} for number in (2, 5, 9, 11)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def evaluated(
    protocol: Protocol, document: dict[str, Any], results: list[dict[str, Any]], images: Sequence[int] = IMAGES
) -> Evaluation:
    ours, annotations, detections = Evaluation(protocol), by_image(document["annotations"]), by_image(results)
    for image_id in images:
        truths = [
            Truth(one["category_id"], one["area"], bool(one["iscrowd"]), one["segmentation"])
            for one in annotations.get(image_id, ())
        ]
        found = [
            Found(one["category_id"], one["score"], float(coco.area(one["segmentation"])), one["segmentation"])
            for one in detections.get(image_id, ())
        ]
        ours.add(image_id, truths, found)
    return ours


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "protocol",
    [
        CLASS_AWARE,
        CATEGORY_FREE,
        replace(CATEGORY_FREE, limits=(1, 3, 10), precision_limit=3),
        replace(CLASS_AWARE, limits=(1, 3), precision_limit=3),
    ],
)
def test_figures_equal_those_of_pycocotools(protocol: Protocol, seed: int) -> None:
    document, results = make_up(np.random.default_rng(seed))
    assert_same_figures(evaluated(protocol, document, results), official(document, results, protocol), protocol)


@pytest.mark.parametrize("seed", range(3))
def test_recalls_weighted_by_instances_average_to_the_total_recall(seed: int) -> None:
    """Reports may therefore average the AR of runs."""
    document, results = make_up(np.random.default_rng(seed))
    parts = [evaluated(CLASS_AGNOSTIC, document, results, images) for images in (IMAGES[:2], IMAGES[2:])]
    whole = evaluated(CLASS_AGNOSTIC, document, results)
    for area in AREAS:
        for limit in CLASS_AGNOSTIC.limits:
            recalled = sum(part.instances(area) * (part.recall(area, limit) or 0.0) for part in parts)
            assert recalled == pytest.approx(whole.instances(area) * (whole.recall(area, limit) or 0.0), rel=1e-12)


def test_an_empty_stream_has_no_figures() -> None:
    evaluation = Evaluation(CLASS_AWARE)
    evaluation.add(1, [], [])
    assert evaluation.recall("all", 1) is None
    assert evaluation.precisions("all") is None
    assert evaluation.instances("all") == 0


def test_instances_without_a_detection_have_no_precision() -> None:
    evaluation = Evaluation(CLASS_AWARE)
    evaluation.add(1, [Truth(2, 4.0, False, {"size": [1, 1], "counts": "1"})], [])
    precisions = evaluation.precisions("all")
    assert precisions is not None
    assert not precisions.any()
    assert evaluation.recall("all", 1) == 0.0
