"""`GET /v1/reports/survey`: the survey's tables over recorded runs, with values worked out by hand."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, Outcomes, carry_out, failed, segmented, write_pictures
from samfleet.db.models import ReportSeries, RunQuality
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageOutcome, Quality, ShardImage

IMAGES = 12
BOX = {"kind": "prompts", "prompt": "box"}
GRID = {"kind": "everything", "points_per_side": 16}
DETECTIONS = {"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}


def times(encode_ms: float, *, objects: int = 2, slow: int = -1) -> Outcomes:
    """Return outcomes in which decoding takes 10 ms. Image 1 is warm-up, image 2 fails, `slow` takes a second more."""

    def outcome(image: ShardImage) -> ImageOutcome:
        if image.image_id == 2:
            return failed(image)
        encode = encode_ms + 1000 * (image.image_id == slow)
        made = segmented(image, warmup=image.image_id == 1, encode_ms=encode)
        return replace(made, quality=Quality(objects, 0.75 * objects))

    return outcome


@pytest.fixture
def dataset(tenant: Tenant, folder: Path) -> str:
    write_pictures(folder, IMAGES)
    return new_dataset(tenant, folder, "photographs")


def new_dataset(tenant: Tenant, folder: Path, name: str) -> str:
    """Create a dataset with two annotated objects an image, and detections of the same boxes."""
    places = [(image, left) for image in range(IMAGES) for left in (4, 14)]
    boxes = [{"image_id": image, "category_id": 1, "bbox": [left, 5, 8, 10]} for image, left in places]
    outlines = [[[left, 5, left + 8, 5, left + 8, 15, left, 15]] for _, left in places]
    annotations = [
        {"id": number, "area": 80, "iscrowd": 0, "segmentation": outline, **box}
        for number, (box, outline) in enumerate(zip(boxes, outlines, strict=True), 1)
    ]
    images = [{"id": image, "file_name": f"{image}.png", "width": WIDTH, "height": HEIGHT} for image in range(IMAGES)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": name}]}
    (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / f"{name}.detections.json").write_text(json.dumps([{**box, "score": 0.9} for box in boxes]))
    body = {
        "source": "directory",
        "directory": str(folder),
        "name": name,
        "annotations_path": str(folder / f"{name}.json"),
        "detections_path": str(folder / f"{name}.detections.json"),
    }
    answer = tenant.http.post("/v1/datasets", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def measure(
    api: Api,
    tenant: Tenant,
    dataset: str,
    task: Mapping[str, Any],
    outcomes: Outcomes,
    *,
    variant: str = "mobile_sam",
    figures: Sequence[tuple[str, int, float]] = (),
) -> None:
    body = {"dataset_id": dataset, "variants": [variant], "task": dict(task), "evaluate": False}
    answer = tenant.http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    carry_out(api, answer.json(), outcomes)
    run = uuid.UUID(answer.json()["runs"][0]["id"])
    with transaction(api.engine) as session:
        for metric, most, value in figures:
            figure = RunQuality(run_id=run, metric=metric, area="all", max_detections=most, value=value, instances=24)
            figure.replicates = spread(value)
            session.add(figure)


def spread(value: float) -> list[float]:
    """Return replicates around a figure, which rise and fall together for all runs."""
    return [value + 0.1 * math.sin(number) for number in range(100)]


def tables(tenant: Tenant, **params: Any) -> dict[str, dict[str, Any]]:
    answer = tenant.http.get("/v1/reports/survey", params=params)
    assert answer.status_code == 200, answer.text
    return {table["key"]: table for table in answer.json()["tables"]}


def test_all_tables_are_there_before_anything_is_measured(tenant: Tenant) -> None:
    found = tables(tenant)
    assert [table["number"] for table in found.values()] == [3, 4, 5, 6, 7, 8, *[None] * 6]
    assert [key for key, table in found.items() if table["rows"]] == ["size"]
    assert all(table["published_rows"] for key, table in found.items() if key not in {"sginw", "recall", "differences"})
    (sam,) = [row for row in found["one_box"]["published_rows"] if row["variant"] == "sam_vit_h"]
    assert (sam["RTX 3090 (ms)"], sam["Jetson Nano (ms)"]) == (461, None)
    (size,) = [row for row in found["size"]["rows"] if row["variant"] == "mobile_sam"]
    assert (size["parameters_m"], size["published_parameters_m"]) == (pytest.approx(10.13, abs=0.01), 10.1)


def test_a_single_box_is_timed_over_all_repeats(api: Api, tenant: Tenant, dataset: str) -> None:
    measure(api, tenant, dataset, BOX, times(30.0, objects=1))
    measure(api, tenant, dataset, BOX, times(50.0, objects=1, slow=5))
    measure(api, tenant, dataset, BOX, times(90.0), variant="sam_vit_b")  # two boxes an image: not the survey's task
    (row,) = tables(tenant)["one_box"]["rows"]
    assert (row["variant"], row["n"], row["runs"], row["outliers"]) == ("mobile_sam", 20, 2, 1)
    assert row["p50_ms"] == pytest.approx(50, rel=0.02)  # ten images of 40 ms, nine of 60 ms, one of 1,060 ms
    assert row["low_ms"] == pytest.approx(40, rel=0.03)
    assert row["high_ms"] == pytest.approx(60, rel=0.03)
    assert row["run_spread"] == pytest.approx((60 - 40) / 50, rel=0.03)
    assert (row["published"], row["published_on"]) == (424, "Xeon Gold 6330, 14 cores")
    assert (row["other_load"], row["weights"]) == (0.25, "real")
    assert row["ratio"] == pytest.approx(row["p50_ms"] / 424)


def test_grids_and_recalls_of_everything(api: Api, tenant: Tenant, dataset: str) -> None:
    recall = [("ar", 1000, 0.42), ("ar", 10, 0.2)]
    measure(api, tenant, dataset, GRID, times(30.0), figures=recall)
    measure(api, tenant, dataset, {**GRID, "points_per_side": 12}, times(30.0), figures=recall)
    measure(api, tenant, dataset, {"kind": "everything", "sampler": "hierarchical"}, times(30.0), variant="tinysam")
    found = tables(tenant)
    timed = {(row["variant"], row["method"]): row for row in found["everything"]["rows"]}
    assert set(timed) == {("mobile_sam", "16 x 16 points"), ("tinysam", "its own method")}
    assert (timed["mobile_sam", "16 x 16 points"]["published"], timed["tinysam", "its own method"]["published"]) == (
        347,
        776,
    )
    assert {row["ratio"] for row in timed.values()} == {None}  # a CPU beside figures of a GPU
    recalls = {
        row["task_in_words"]: (round(row["ar_1000"], 9), round(row["ar_10"], 9)) for row in found["recall"]["rows"]
    }
    assert set(recalls) == {"everything, 16 points per side", "everything, 12 points per side"}
    assert set(recalls.values()) == {(42.0, 20.0)}


def test_quality_is_compared_only_for_samples_of_the_survey(
    api: Api, tenant: Tenant, dataset: str, folder: Path
) -> None:
    other = new_dataset(tenant, folder, "others")
    for one in (dataset, other):
        measure(api, tenant, one, BOX, times(30.0), figures=[("miou", 1, 0.75)])
    rows = {row["dataset"]: row for row in tables(tenant, sample_of=f"{dataset}:COCO")["prompts"]["rows"]}
    assert (rows["photographs"]["miou"], rows["photographs"]["published"]) == (pytest.approx(75.0), 73.4)
    assert rows["photographs"]["difference"] == pytest.approx(75 - 73.4)
    assert (rows["others"]["published"], rows["others"]["difference"]) == (None, None)
    assert rows["others"]["runs_evaluated"] == 1


def test_differences_of_quality_are_paired_and_corrected(api: Api, tenant: Tenant, dataset: str) -> None:
    for variant, miou in (("mobile_sam", 0.7), ("repvit_sam", 0.69), ("tinysam", 0.4)):
        measure(api, tenant, dataset, BOX, times(30.0), variant=variant, figures=[("miou", 1, miou)])
    found = tables(tenant)
    (best,) = [row for row in found["prompts"]["rows"] if row["variant"] == "mobile_sam"]
    assert (best["low"], best["high"]) == (pytest.approx(60, abs=0.2), pytest.approx(80, abs=0.2))
    rows = {row["variant"]: row for row in found["differences"]["rows"] if row["table"] == "prompts"}
    assert set(rows) == {"repvit_sam", "tinysam"}
    close = rows["repvit_sam"]
    assert (close["best_variant"], close["best"]) == ("mobile_sam", pytest.approx(70))
    assert close["difference"] == pytest.approx(-1)
    assert (close["low"], close["high"]) == (pytest.approx(-1), pytest.approx(-1))  # paired: the spread is common
    assert {row["verdict"] for row in rows.values()} == {"worse"}


def test_differences_of_times_are_ratios_on_one_machine(api: Api, tenant: Tenant, dataset: str) -> None:
    for variant, encode in (("mobile_sam", 30.0), ("repvit_sam", 30.0), ("sam_vit_b", 310.0)):
        measure(api, tenant, dataset, GRID, times(encode), variant=variant)
    found = tables(tenant)["differences"]["rows"]
    rows = {row["variant"]: row for row in found}
    assert len(rows) == len(found) == 2
    slow = rows.pop("sam_vit_b")
    assert (slow["table"], slow["ratio"], slow["verdict"]) == ("everything", pytest.approx(8, rel=0.03), "slower")
    assert slow["p_corrected"] == pytest.approx(2 * slow["p_value"])
    (same,) = rows.values()
    assert (same["ratio"], same["verdict"]) == (pytest.approx(1, rel=0.03), "cannot tell")


def test_detectors_have_their_own_tables(api: Api, tenant: Tenant, dataset: str, folder: Path) -> None:
    other = new_dataset(tenant, folder, "others")
    for one, value in ((dataset, 0.4), (other, 0.5)):
        measure(api, tenant, one, DETECTIONS, times(30.0), figures=[("ap", 100, value)])
    found = tables(tenant, sample_of=[f"{dataset}:vitdet", f"{other}:yolov8"])
    (vitdet,), (yolo,) = found["vitdet"]["rows"], found["detectors"]["rows"]
    assert (vitdet["boxes"], vitdet["ap"], vitdet["published"]) == ("ViTDet's boxes", pytest.approx(40.0), 38.7)
    assert (yolo["boxes"], yolo["ap"], yolo["published"]) == ("YOLOv8's boxes", pytest.approx(50.0), None)
    assert not found["recall"]["rows"]
    unnamed = tables(tenant)["detectors"]["rows"]
    assert [row["boxes"] for row in unnamed] == ["other detections"] * 2


def test_stand_ins_have_times_beside_published_ones_but_no_quality(api: Api, tenant: Tenant, dataset: str) -> None:
    measure(api, tenant, dataset, BOX, times(30.0, objects=1), figures=[("miou", 1, 0.75)])
    with transaction(api.engine) as session:
        statement = update(ReportSeries).where(ReportSeries.tenant_id == tenant.id)
        session.execute(statement.values(variant="stand_in_tinysam"))
    found = tables(tenant, sample_of=f"{dataset}:COCO")
    (row,) = found["one_box"]["rows"]
    assert (row["variant"], row["weights"], row["published"]) == ("stand_in_tinysam", "random", 422)
    assert found["prompts"]["rows"] == found["differences"]["rows"] == []


def test_datasets_choose_the_measurements(api: Api, tenant: Tenant, dataset: str, folder: Path) -> None:
    other = new_dataset(tenant, folder, "others")
    measure(api, tenant, dataset, GRID, times(30.0))
    assert len(tables(tenant, dataset_id=dataset)["everything"]["rows"]) == 1
    assert tables(tenant, dataset_id=other)["everything"]["rows"] == []
    assert tables(tenant, sample_of=f"{other}:COCO")["everything"]["rows"]


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"sample_of": "photographs:COCO"}, 422, "survey_sample_invalid"),
        ({"sample_of": f"{uuid.UUID(int=1)}:coco"}, 422, "survey_sample_invalid"),
        ({"sample_of": f"{uuid.UUID(int=1)}:COCO"}, 404, "dataset_not_found"),
        ({"dataset_id": str(uuid.UUID(int=1))}, 404, "dataset_not_found"),
        ({"stage": "encode"}, 422, "report_invalid"),
    ],
)
def test_bad_requests(tenant: Tenant, params: dict[str, str], status: int, code: str) -> None:
    answer = tenant.http.get("/v1/reports/survey", params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
