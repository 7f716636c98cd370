"""Files in the formats of LVIS, UVO and SGinW, from the intake to the figures, against the rules of their tools."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from pycocotools import mask as coco

from fixtures.images.coco_evaluation import by_image, official, official_mean
from fixtures.images.survey_sets import as_lvis, as_sginw, as_uvo, found_masks, made_up
from fixtures.models.shared_data import shared_path
from reference.plain_lvis import plain_figures
from samfleet.datasets.annotation_entries import Annotation, AnnotationsInvalid, AnnotationsTooLarge
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.quality.federated import Checked
from samfleet.quality.measures import Measures
from samfleet.quality.protocol import AREAS, CATEGORY_FREE, CLASS_AWARE, Figure
from samfleet.quality.run_evaluation import Readers, evaluate_run

BOXES = {"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": False}
DETECTED = {"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}
LETTERS = {"all": "", "small": "s", "medium": "m", "large": "l"}
Document = dict[str, Any]


@pytest.fixture(params=["made up", "coco_dev"])
def document(request: pytest.FixtureRequest) -> Document:
    """A COCO instances file; coco_dev's is limited to 12 images for the slow reference."""
    if request.param == "made up":
        return made_up()
    found: Document = json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes())
    images = found["images"][:12]
    chosen = {image["id"] for image in images}
    annotations = [one for one in found["annotations"] if one["image_id"] in chosen]
    return {"images": images, "annotations": annotations, "categories": found["categories"]}


def read(document: Document) -> CocoInstances:
    return read_annotations(partial(io.BytesIO, json.dumps(document).encode()))


def figures(document: Document, results: Sequence[Any], task: Any) -> dict[tuple[str, str, int], Figure]:
    """Return the figures of results over an annotations file that was read as a dataset's is."""
    instances = read(document)
    grouped: dict[int, list[Annotation]] = {}
    for one in instances.annotations():
        grouped.setdefault(one.image_id, []).append(one)
    checked = {
        image_id: Checked(frozenset(one.negative), frozenset(one.not_exhaustive))
        for image_id, one in instances.checked.items()
    }
    masks = by_image(
        [{**one, "predicted_iou": one["score"], "area": int(coco.area(one["segmentation"]))} for one in results]
    )
    rows = [
        {
            "image_id": image["id"],
            "height": image["height"],
            "width": image["width"],
            "masks": masks.get(image["id"], []),
        }
        for image in document["images"]
    ]
    measures = Measures.of(task, instances.categories, checked=len(checked) == len(rows))
    found = evaluate_run(rows, Readers(lambda _: grouped, checked=lambda _: checked), measures)
    return {(figure.metric, figure.area, figure.max_detections): figure for figure in found}


def test_figures_of_a_federated_set_follow_the_rules_of_lvis(document: Document) -> None:
    lvis = as_lvis(document)
    results = found_masks(lvis, most=300)
    found = figures(lvis, results, DETECTED)
    wanted = plain_figures(lvis, results)
    assert len([figure for figure in found if figure[0].startswith("lvis_")]) > 8
    for area, letter in LETTERS.items():
        for metric in ("ap", "ar"):
            figure = found.get((f"lvis_{metric}", area, 300))
            assert (-1 if figure is None else figure.value) == wanted[f"{metric.upper()}{letter}"], (metric, area)
    for metric in ("ap50", "ap75", "apr", "apc", "apf"):
        assert found[f"lvis_{metric}", "all", 300].value == wanted[f"AP{metric[2:]}"], metric
    groups = [found[f"lvis_{metric}", "all", 300].instances for metric in ("apr", "apc", "apf")]
    assert sum(groups) == found["lvis_ap", "all", 300].instances == len(lvis["annotations"])
    assert not any(figure[0] in {"ap", "ap50", "ap75"} for figure in found)


def test_coco_counts_masks_of_unchecked_categories_as_wrong_and_lvis_does_not() -> None:
    lvis = as_lvis(made_up())
    results = found_masks(lvis, most=300)
    exhaustive = {**lvis, "annotations": [{**one, "iscrowd": 0} for one in lvis["annotations"]]}
    theirs = official(exhaustive, results, CLASS_AWARE)
    coco_ap = official_mean(theirs.eval["precision"][:, :, :, 0, -1])
    assert coco_ap is not None
    assert figures(lvis, results, DETECTED)["lvis_ap", "all", 300].value > coco_ap


def test_federated_annotations_without_checked_categories_have_no_precision() -> None:
    lvis = as_lvis(made_up())
    for image in lvis["images"]:
        del image["neg_category_ids"], image["not_exhaustive_category_ids"]
    assert {metric for metric, _, _ in figures(lvis, found_masks(lvis, most=300), DETECTED)} == {"ar"}


def test_figures_of_a_class_agnostic_set_equal_those_of_pycocotools(document: Document) -> None:
    uvo = as_uvo(document)
    results = found_masks(uvo, most=100)
    proposals = [{name: value for name, value in one.items() if name != "category_id"} for one in results]
    found = figures(uvo, proposals, {"kind": "everything"})
    theirs = official(uvo, [{**one, "category_id": 1} for one in proposals], CATEGORY_FREE)
    for place, area in enumerate(AREAS):
        for which, limit in enumerate((1, 10, 100, 1000)):
            assert found["ar", area, limit].value == official_mean(theirs.eval["recall"][:, :, place, which])
        assert found["ap_agnostic", area, 100].value == official_mean(theirs.eval["precision"][:, :, :, place, 2])
    assert found["ap50_agnostic", "all", 100].value == official_mean(theirs.eval["precision"][0, :, :, 0, 2])
    assert found["ap75_agnostic", "all", 100].value == official_mean(theirs.eval["precision"][5, :, :, 0, 2])


@pytest.mark.parametrize("task", [BOXES, DETECTED])
def test_figures_of_a_set_of_sginw_equal_those_of_pycocotools(document: Document, task: Any) -> None:
    sginw = as_sginw(document)
    results = [{**one, "annotation_id": 0} for one in found_masks(sginw, most=100)]
    found = figures(sginw, results, task)
    theirs = official(sginw, results, CLASS_AWARE)
    for place, area in enumerate(AREAS):
        assert found["ap", area, 100].value == official_mean(theirs.eval["precision"][:, :, :, place, -1])


def test_images_of_the_formats_are_matched_by_their_last_parts() -> None:
    from samfleet.datasets.matching import assign_image_ids

    coco_document = made_up(3)
    names = [image["file_name"] for image in coco_document["images"]]
    ids = [image["id"] for image in coco_document["images"]]
    lvis = read(as_lvis(coco_document))
    assert assign_image_ids(names, lvis.image_ids, lvis.originals) == ids
    assert assign_image_ids([f"images/val2017/{name}" for name in names], lvis.image_ids, lvis.originals) == ids
    uvo = read(as_uvo(coco_document))
    assert assign_image_ids([f"frames/video0/{place}.png" for place in range(3)], uvo.image_ids, uvo.originals) == ids
    sginw = read(as_sginw(coco_document))
    assert assign_image_ids(names, sginw.image_ids, sginw.originals) == ids


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"neg_category_ids": [1]}, "neg_category_ids and not_exhaustive_category_ids belong together"),
        ({"neg_category_ids": [1], "not_exhaustive_category_ids": 3}, "not_exhaustive_category_ids must be a list"),
        ({"neg_category_ids": ["cat"], "not_exhaustive_category_ids": []}, "neg_category_ids must be a list"),
        ({"neg_category_ids": [True], "not_exhaustive_category_ids": []}, "neg_category_ids must be a list"),
    ],
)
def test_wrong_checked_categories_are_refused(fields: Any, message: str) -> None:
    image = {"id": 1, "coco_url": "http://images.cocodataset.org/val2017/1.jpg", **fields}
    with pytest.raises(AnnotationsInvalid, match=rf"images\[0\]: {message}"):
        read({"images": [image], "annotations": []})


def test_the_number_of_checked_categories_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    from samfleet.datasets import image_entries

    monkeypatch.setattr(image_entries, "MAX_CHECKED_CATEGORIES", 3)
    checked = {"neg_category_ids": [1, 2], "not_exhaustive_category_ids": [3]}
    images = [{"id": number, "file_name": f"{number}.jpg", **checked} for number in range(2)]
    assert read({"images": images[:1], "annotations": []}).checked[0].negative == (1, 2)
    with pytest.raises(AnnotationsTooLarge, match="more than 3 entries in neg_category_ids"):
        read({"images": images, "annotations": []})
