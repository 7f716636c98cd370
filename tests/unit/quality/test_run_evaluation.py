"""Whole runs in their stored parts against recorded figures of the official tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pycocotools import mask as coco

from fixtures.images.coco_evaluation import by_image, official, official_mean
from fixtures.models.shared_data import shared_path
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.measures import Measures
from samfleet.quality.protocol import AREAS, CLASS_AGNOSTIC, CLASS_AWARE, Found, Truth
from samfleet.quality.run_evaluation import IMAGES_AT_ONCE, Readers, evaluate_run
from samfleet.quality.segmentation import annotation_rle
from samfleet.quality.sizes import AnnotationSizeMismatch

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Annotated:
    annotation_id: int
    category_id: int
    area: float
    iscrowd: bool
    segmentation: Any
    bbox: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def coco_dev() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes())
    return document


def reader(document: Entry) -> Any:
    grouped = by_image(document["annotations"])

    def read(image_ids: Sequence[int]) -> dict[int, list[Annotated]]:
        return {
            image_id: [
                Annotated(one["id"], one["category_id"], one["area"], bool(one["iscrowd"]), one["segmentation"])
                for one in grouped.get(image_id, ())
            ]
            for image_id in image_ids
        }

    return read


def row(image: Entry, masks: Sequence[Entry]) -> dict[str, Any]:
    return {"image_id": image["id"], "height": image["height"], "width": image["width"], "masks": list(masks)}


def recorded_masks(image_id: int, setting: str) -> list[dict[str, Any]]:
    masks: list[dict[str, Any]]
    masks = json.loads(shared_path("ref", "dev", "amg", f"{image_id:012}_{setting}.json").read_bytes())["masks"]
    return masks


@pytest.mark.parametrize("entry", ["pps16", "pps16_minarea100", "pps32", "pps8_crop1"])
def test_recall_of_recorded_masks_equals_that_of_the_official_tool(entry: str) -> None:
    document = coco_dev()
    recorded = json.loads(shared_path("ref", "dev", "amg_ar.json").read_bytes())["results"][entry]
    images = {image["id"]: image for image in document["images"]}
    for expected in (recorded["set"], *recorded["per_image"].values()):
        rows = [row(images[number], recorded_masks(number, entry)) for number in expected["image_ids"]]
        figures = evaluate_run(rows, Readers(reader(document)), Measures(recall=True))
        names = {area: "" if area == "all" else f"_{area}" for area in AREAS}
        found = {f"AR@{figure.max_detections}{names[figure.area]}": figure.value for figure in figures}
        wanted = {name: value for name, value in expected.items() if name.startswith("AR@") and value is not None}
        assert found == pytest.approx(wanted, abs=1e-12)
        counted = {(figure.metric, figure.instances) for figure in figures if figure.area == "all"}
        assert counted <= {("ar", expected["n_gt_non_crowd"])}


def test_precision_without_categories_is_recorded_too() -> None:
    document, expected = coco_dev(), json.loads(shared_path("ref", "dev", "amg_ar.json").read_bytes())["results"]
    evaluation = Evaluation(replace(CLASS_AGNOSTIC, precision_limit=1000))
    annotations = by_image(document["annotations"])
    for image in document["images"]:
        if image["id"] in expected["pps16"]["set"]["image_ids"]:
            truths = [
                Truth(
                    one["category_id"],
                    one["area"],
                    bool(one["iscrowd"]),
                    annotation_rle(one["segmentation"], image["height"], image["width"]),
                )
                for one in annotations.get(image["id"], ())
            ]
            masks = recorded_masks(image["id"], "pps16")
            found = [Found(1, mask["predicted_iou"], mask["area"], mask["segmentation"]) for mask in masks]
            evaluation.add(image["id"], truths, found)
    precisions = evaluation.precisions("all")
    assert precisions is not None
    assert precisions.mean() == pytest.approx(expected["pps16"]["set"]["AP@1000"], abs=1e-12)


@pytest.mark.parametrize(
    ("name", "mode", "rounded"),
    [
        ("mobilesam_prompts", "box_single", 0.7408),
        ("mobilesam_prompts", "centre_point_multi_argmax", 0.5318),
        ("sam2_hiera_t_box", None, 0.7614),
    ],
)
def test_prompted_masks_of_coco_dev_have_the_recorded_figures(name: str, mode: str | None, rounded: float) -> None:
    document = coco_dev()
    reference = json.loads(shared_path("ref", "dev", "predictor", f"{name}.json").read_bytes())
    summary = reference["summary"][mode] if mode else reference["summary"]
    masks = {
        image["image_id"]: [prompted_mask(one, mode) for one in image["instances"]] for image in reference["images"]
    }
    rows = [row(image, masks.get(image["id"], ())) for image in document["images"]]
    figures = evaluate_run(rows, Readers(reader(document)), Measures(agreement=True, precision=True))
    found = {(figure.metric, figure.area): figure.value for figure in figures}
    assert round(found["miou", "all"], 4) == rounded
    assert found["miou", "all"] == pytest.approx(summary["mIoU"], abs=1e-12)
    for size in ("small", "medium", "large"):
        assert found["miou", size] == pytest.approx(summary[f"mIoU_{size}"], abs=1e-12)
    results = [
        {"image_id": image_id, "score": mask["predicted_iou"], **mask}
        for image_id, group in masks.items()
        for mask in group
    ]
    theirs = official(document, results, CLASS_AWARE)
    for place, area in enumerate(AREAS):
        assert found["ap", area] == official_mean(theirs.eval["precision"][:, :, :, place, -1])
    assert found["ap50", "all"] == official_mean(theirs.eval["precision"][0, :, :, 0, -1])
    assert found["ap75", "all"] == official_mean(theirs.eval["precision"][5, :, :, 0, -1])
    assert next(figure for figure in figures if figure.metric == "ap").instances == 552


def prompted_mask(instance: Entry, mode: str | None) -> dict[str, Any]:
    answer = instance[mode] if mode else instance
    return {
        "annotation_id": instance["annotation_id"],
        "category_id": instance["category_id"],
        "predicted_iou": answer["predicted_iou"],
        "area": int(coco.area(answer["segmentation"])),
        "segmentation": answer["segmentation"],
    }


def test_instances_of_a_failed_image_count_as_missed() -> None:
    square = [[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]]
    rle = {"size": [8, 8], "counts": annotation_rle(square, 8, 8)["counts"].decode()}
    annotated = {1: [Annotated(10, 7, 16.0, False, square)], 2: [Annotated(11, 7, 16.0, False, square)]}
    mask = {"annotation_id": 10, "category_id": 7, "predicted_iou": 0.9, "area": 16, "segmentation": rle}
    good = {"image_id": 1, "height": 8, "width": 8, "masks": [mask]}
    failed: dict[str, Any] = {"image_id": 2, "height": None, "width": None, "masks": []}
    measures = Measures(recall=True, precision=True, agreement=True)
    figures = evaluate_run([good, failed], Readers(lambda _: annotated), measures)
    values = {(figure.metric, figure.area, figure.max_detections): figure.value for figure in figures}
    assert values["miou", "all", 1] == values["miou", "small", 1] == 0.5
    assert values["ar", "all", 1] == values["ar", "small", 1000] == 0.5
    assert values["ap", "all", 100] == pytest.approx(51 / 101)
    assert {figure.instances for figure in figures} == {2}
    assert not any(figure.area in {"medium", "large"} for figure in figures)


def test_images_without_annotations_are_not_measured() -> None:
    rows = [{"image_id": 1, "height": 8, "width": 8, "masks": []}]
    assert evaluate_run(rows, Readers(lambda _: {}), Measures(recall=True, precision=True, agreement=True)) == []


def test_annotations_of_another_size_are_refused_with_both_sizes() -> None:
    far = Annotated(10, 7, 16.0, False, [[30.0, 2.0, 36.0, 2.0, 36.0, 6.0]])
    mask = {"category_id": 0, "predicted_iou": 0.9, "area": 16, "segmentation": annotation_rle([], 8, 8)}
    rows = [{"image_id": 5, "height": 8, "width": 8, "masks": [mask]}]
    said = r"image 5: the annotations state 40 x 30 and reach to \(36, 6\), the image has 8 x 8"
    with pytest.raises(AnnotationSizeMismatch, match=said):
        evaluate_run(rows, Readers(lambda _: {5: [far]}, lambda _: {5: (40, 30)}), Measures(recall=True))


def test_only_a_few_images_are_in_memory_at_a_time() -> None:
    """Annotations are requested one page at a time, before the next row is read."""
    read: list[int] = []
    asked: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(100):
            read.append(number)
            yield {"image_id": number, "height": 8, "width": 8, "masks": []}

    def annotations(image_ids: Sequence[int]) -> dict[int, list[Annotated]]:
        asked.extend(image_ids)
        assert len(read) - len(asked) <= 0
        assert len(image_ids) <= IMAGES_AT_ONCE
        return {}

    evaluate_run(rows(), Readers(annotations), Measures(recall=True))
    assert asked == list(range(100))
