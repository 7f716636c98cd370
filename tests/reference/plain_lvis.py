"""LVIS's figures of masks by its rules, one plain loop after the other, to compare the streamed ones with.

Source of the rules: LVISEval of the package lvis 0.5.3. `tests/tools/test_lvis.py` compares this with the package.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco

from samfleet.quality.segmentation import annotation_rle

Entry = Mapping[str, Any]
# Scores, right and wrong by threshold and detection, and the number of instances in the area range.
Verdict = tuple[list[float], list[list[bool]], list[list[bool]], int]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
RANGES = {"": (0, 1e10), "s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, 1e10)}
MOST = 300


def plain_figures(document: Entry, results: Sequence[Entry]) -> dict[str, float]:
    """Return AP, AP50, AP75, APs, APm, APl, APr, APc, APf, AR, ARs, ARm and ARl; -1 where nothing is annotated."""
    precision: dict[tuple[int, str], np.ndarray[Any, Any]] = {}
    recall: dict[tuple[int, str], np.ndarray[Any, Any]] = {}
    truths, found = _by_image_and_category(document["annotations"]), _by_image_and_category(_kept(document, results))
    for category in document["categories"]:
        for name, limits in RANGES.items():
            verdicts = []
            for image in sorted(document["images"], key=lambda one: one["id"]):
                key = (image["id"], category["id"])
                if truths[key] or found[key]:
                    verdicts.append(_verdict(truths[key], found[key], image, category["id"], limits))
            curves = _curves(verdicts)
            if curves is not None:
                precision[category["id"], name], recall[category["id"], name] = curves
    frequency = {category["id"]: category["frequency"] for category in document["categories"]}
    figures = {f"AP{name}": _mean(precision, name) for name in RANGES}
    figures |= {f"AR{name}": _mean(recall, name) for name in RANGES}
    for place, name in ((0, "AP50"), (5, "AP75")):
        figures[name] = _mean({key: curve[place] for key, curve in precision.items()}, "")
    for group in "rcf":
        figures[f"AP{group}"] = _mean({key: one for key, one in precision.items() if frequency[key[0]] == group}, "")
    return figures


def _mean(values: Mapping[tuple[int, str], np.ndarray[Any, Any]], name: str) -> float:
    chosen = [values[key] for key in sorted(values) if key[1] == name]
    return float(np.mean(np.stack(chosen, axis=-1))) if chosen else -1.0


def _kept(document: Entry, results: Sequence[Entry]) -> list[Entry]:
    """Return the best 300 results of each image, without those of categories that were not looked for."""
    kept: list[Entry] = []
    for image in document["images"]:
        here = [one for one in results if one["image_id"] == image["id"]]
        if len(here) > MOST:
            here = sorted(here, key=lambda one: -one["score"])[:MOST]
        present = {one["category_id"] for one in document["annotations"] if one["image_id"] == image["id"]}
        kept += [one for one in here if one["category_id"] in present | set(image["neg_category_ids"])]
    return kept


def _by_image_and_category(entries: Sequence[Entry]) -> defaultdict[tuple[int, int], list[Entry]]:
    grouped: defaultdict[tuple[int, int], list[Entry]] = defaultdict(list)
    for one in entries:
        grouped[one["image_id"], one["category_id"]].append(one)
    return grouped


def _verdict(
    truths: Sequence[Entry], found: Sequence[Entry], image: Entry, category_id: int, limits: tuple[float, float]
) -> Verdict:
    """Return the verdict on one category of one image for an area range."""
    found = sorted(found, key=lambda one: -one["score"])
    outside = [not limits[0] <= one["area"] <= limits[1] for one in truths]
    order = sorted(range(len(truths)), key=lambda place: outside[place])  # those that count first
    truths, outside = [truths[place] for place in order], [outside[place] for place in order]
    shapes = [annotation_rle(one["segmentation"], image["height"], image["width"]) for one in truths]
    ious = coco.iou([one["segmentation"] for one in found], shapes, [0] * len(shapes))
    areas = [float(coco.area(one["segmentation"])) for one in found]
    forgiven = [
        category_id in image["not_exhaustive_category_ids"] or not limits[0] <= area <= limits[1] for area in areas
    ]
    right, wrong = [], []
    for threshold in THRESHOLDS:
        matches = _matches(ious, outside, threshold, len(found))
        right.append([match is not None and not outside[match] for match in matches])
        wrong.append([match is None and not forgiven[place] for place, match in enumerate(matches)])
    return [one["score"] for one in found], right, wrong, outside.count(False)


def _matches(ious: Any, outside: Sequence[bool], threshold: float, detections: int) -> list[int | None]:
    """Return the annotation that each detection takes: the last of the best free ones, counted ones first."""
    taken: set[int] = set()
    matches: list[int | None] = []
    for detection in range(detections):
        best, match = min(threshold, 1 - 1e-10), None
        for place, is_outside in enumerate(outside):
            if place in taken:
                continue
            if match is not None and not outside[match] and is_outside:
                break
            if ious[detection, place] >= best:
                best, match = ious[detection, place], place
        matches.append(match)
        if match is not None:
            taken.add(match)
    return matches


def _curves(verdicts: Sequence[Verdict]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Return precision [10, 101] and recall [10] of one category; None without instances."""
    instances = sum(verdict[3] for verdict in verdicts)
    if not instances:
        return None
    scores = [score for verdict in verdicts for score in verdict[0]]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    precision, recall = np.zeros((10, 101)), np.zeros(10)
    for threshold in range(10):
        right = [hit for verdict in verdicts for hit in verdict[1][threshold]]
        wrong = [miss for verdict in verdicts for miss in verdict[2][threshold]]
        hits = misses = 0
        reached, values = [], []
        for place in order:
            hits, misses = hits + right[place], misses + wrong[place]
            reached.append(hits / instances)
            values.append(hits / (misses + hits + np.spacing(1)))
        for place in range(len(values) - 1, 0, -1):
            values[place - 1] = max(values[place - 1], values[place])
        for place, wanted in enumerate(RECALLS):
            first = next((index for index, value in enumerate(reached) if value >= wanted), None)
            precision[threshold, place] = 0.0 if first is None else values[first]
        recall[threshold] = reached[-1] if reached else 0.0
    return precision, recall
