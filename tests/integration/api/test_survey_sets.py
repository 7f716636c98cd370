"""Survey tables of LVIS, UVO and SGinW, from files in their formats to the report, against the rules of their tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pycocotools import mask as coco

from fixtures.api.running_api import Api, Tenant
from fixtures.images.coco_evaluation import by_image, official, official_mean
from fixtures.images.survey_sets import as_lvis, as_sginw, as_uvo, found_masks, made_up
from fixtures.worker.recorded_jobs import Outcomes, carry_out, segmented
from reference.plain_lvis import plain_figures
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet.masks.record import MaskRecord
from samfleet.quality.protocol import CATEGORY_FREE, CLASS_AWARE
from samfleet.survey.conditions import SGINW_SETS

IMAGES, MOST = 6, 40
EVERYTHING = {"kind": "everything", "points_per_side": 32}
BOX = {"kind": "prompts", "prompt": "box"}
DETECTIONS = {"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}
Document = dict[str, Any]
Results = Sequence[dict[str, Any]]


def new_dataset(tenant: Tenant, folder: Path, name: str, document: Document, results: Results) -> str:
    """Create a dataset from the document, with the boxes of the results as detections."""
    for image in document["images"]:
        path = folder / name / (image.get("file_name") or image["coco_url"].rpartition("/")[2])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (image["width"], image["height"])).save(path)
    boxes = [{**one, "bbox": coco.toBbox(one["segmentation"]).tolist()} for one in results]
    (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / f"{name}.detections.json").write_text(json.dumps(boxes))
    body = {
        "source": "directory",
        "directory": str(folder / name),
        "name": name,
        "annotations_path": str(folder / f"{name}.json"),
        "detections_path": str(folder / f"{name}.detections.json"),
    }
    answer = tenant.http.post("/v1/datasets", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def answers(document: Document, results: Results, *, prompts: bool = True) -> Outcomes:
    """Return outcomes with the masks of the results.

    With prompts, those of an image belong to its detections, or else to its annotations, in their order.
    """
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    grouped = by_image(results)

    def outcome(image: ShardImage) -> ImageOutcome:
        height, width = sizes[image.image_id]
        made = segmented(image)
        assert made.report is not None
        prompted = (image.detections or image.instances) if prompts else ()
        masks = [
            record(one, (height, width), place if prompted else None)
            for place, one in enumerate(grouped.get(image.image_id, ()))
        ]
        if prompted:
            masks = masks[: len(prompted)]
        return replace(
            made,
            masks=tuple(masks),
            prompted=prompted,
            report=replace(made.report, width=width, height=height),
        )

    return outcome


def record(result: Mapping[str, Any], size: tuple[int, int], place: int | None) -> MaskRecord:
    segmentation = result["segmentation"]
    left, top, width, height = (int(number) for number in coco.toBbox(segmentation))
    return MaskRecord(
        segmentation["counts"],
        size,
        int(coco.area(segmentation)),
        (left, top, width, height),
        result["score"],
        0.95,
        prompt_index=place,
    )


def measure(
    api: Api, tenant: Tenant, dataset: str, task: Mapping[str, Any], outcomes: Outcomes, variant: str = "mobile_sam"
) -> None:
    answer = tenant.http.post("/v1/jobs", json={"dataset_id": dataset, "variants": [variant], "task": dict(task)})
    assert answer.status_code == 202, answer.text
    carry_out(api, answer.json(), outcomes)


def tables(tenant: Tenant, *samples: str) -> dict[str, dict[str, Any]]:
    answer = tenant.http.get("/v1/reports/survey", params={"sample_of": samples})
    assert answer.status_code == 200, answer.text
    return {table["key"]: table for table in answer.json()["tables"]}


def test_lvis_has_its_own_ap_beside_the_authors(api: Api, tenant: Tenant, folder: Path) -> None:
    document = as_lvis(made_up(IMAGES))
    better, worse = (found_masks(document, most=MOST, seed=seed) for seed in (0, 1))
    dataset = new_dataset(tenant, folder, "lvis", document, better)
    measure(api, tenant, dataset, DETECTIONS, answers(document, better))
    measure(api, tenant, dataset, DETECTIONS, answers(document, worse), "repvit_sam")
    found = tables(tenant, f"{dataset}:lvis_vitdet")
    rows = {row["variant"]: row for row in found["lvis"]["rows"]}
    wanted = plain_figures(document, better)
    row = rows["mobile_sam"]
    for name, theirs in (("lvis_ap", "AP"), ("lvis_ap50", "AP50"), ("lvis_apr", "APr"), ("lvis_ap_small", "APs")):
        assert row[name] == pytest.approx(100 * wanted[theirs]), name
    assert row["low"] <= row["lvis_ap"] <= row["high"]
    assert (row["boxes"], row["published"], row["published_on"]) == ("ViTDet's boxes", 34.4, "LVIS v1 val")
    assert row["published_source"] == "arXiv 2312.00863, as quoted by others"
    assert row["difference"] == pytest.approx(row["lvis_ap"] - 34.4)
    assert rows["repvit_sam"]["published"] is None
    (behind,) = [one for one in found["differences"]["rows"] if one["table"] == "lvis"]
    assert behind["difference"] == pytest.approx(behind["value"] - behind["best"])
    assert behind["verdict"] in {"worse", "cannot tell"}
    assert found["vitdet"]["rows"] == found["detectors"]["rows"] == []


def test_prompts_of_annotated_objects_have_miou_too_and_no_published_ap(api: Api, tenant: Tenant, folder: Path) -> None:
    document = as_lvis(made_up(IMAGES))
    results = found_masks(document, most=MOST)
    dataset = new_dataset(tenant, folder, "lvis", document, results)
    measure(api, tenant, dataset, BOX, answers(document, results))
    found = tables(tenant, f"{dataset}:LVIS")
    (row,), (by_prompt,) = found["lvis"]["rows"], found["prompts"]["rows"]
    assert (row["boxes"], row["published"]) == ("annotated objects", None)
    assert row["miou"] == by_prompt["miou"]
    assert 0 < row["miou"] < 100


def test_uvo_is_measured_without_categories(api: Api, tenant: Tenant, folder: Path) -> None:
    document = as_uvo(made_up(IMAGES))
    results = found_masks(document, most=MOST)
    dataset = new_dataset(tenant, folder, "uvo", document, results)
    measure(api, tenant, dataset, EVERYTHING, answers(document, results, prompts=False))
    measure(api, tenant, dataset, DETECTIONS, answers(document, results))
    found = tables(tenant, f"{dataset}:UVO")
    rows = {row["boxes"]: row for row in found["uvo"]["rows"]}
    theirs = official(document, [{**one, "category_id": 1} for one in results], CATEGORY_FREE)
    ap, ar = (official_mean(theirs.eval[name][:, ..., 0, place]) for name, place in (("precision", 2), ("recall", 3)))
    assert ap is not None
    assert ar is not None
    assert set(rows) == {"no boxes", "other detections"}
    assert rows["no boxes"]["ap"] == pytest.approx(100 * ap)
    assert rows["no boxes"]["ar_1000"] == pytest.approx(100 * ar)
    assert rows["no boxes"]["low"] <= rows["no boxes"]["ap"] <= rows["no boxes"]["high"]
    assert rows["other detections"]["ap"] == pytest.approx(100 * ap)  # with one category it is the same protocol
    assert "published" not in found["uvo"]["columns"]
    assert {one["variant"]: one["AR of 100, of whole videos (%)"] for one in found["uvo"]["published_rows"]} == {
        "sam_vit_h": 28.8,
        "sam_vit_b": 19.1,
        "mobile_sam": 22.7,
        "repvit_sam": 25.3,
    }
    assert found["detectors"]["rows"] == []


def test_sginw_has_a_row_for_each_set_and_the_mean_of_those_measured(api: Api, tenant: Tenant, folder: Path) -> None:
    samples: list[str] = []
    wanted: dict[str, float | None] = {}
    for number, recipe in enumerate(("sginw_cows", "sginw_poles")):
        document = as_sginw(made_up(IMAGES + number))
        results = found_masks(document, most=MOST, seed=number)
        dataset = new_dataset(tenant, folder, recipe, document, results)
        measure(api, tenant, dataset, DETECTIONS, answers(document, results))
        samples.append(f"{dataset}:{recipe}")
        theirs = official(document, results, CLASS_AWARE)
        wanted[SGINW_SETS[recipe]] = official_mean(theirs.eval["precision"][:, :, :, 0, -1])
    found = tables(tenant, *samples)
    assert {row["set"]: row["ap"] / 100 for row in found["sginw"]["rows"]} == pytest.approx(wanted)
    (mean,) = found["sginw_mean"]["rows"]
    assert mean["ap"] == pytest.approx(100 * sum(filter(None, wanted.values())) / 2)
    assert (mean["sets"], mean["of_sets"], mean["n"]) == (2, 25, 2 * IMAGES + 1)
    assert mean["low"] < mean["ap"] < mean["high"]
    assert (mean["published"], mean["difference"]) == (None, None)
    assert [one["mean AP of the 25 sets (%)"] for one in found["sginw_mean"]["published_rows"]] == [
        48.7, 44.8, 43.9, 46.1,
    ]  # fmt: skip
    assert tables(tenant)["sginw"]["rows"] == []  # a dataset is a set only if a plan says so
