from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.models.gates import gate
from fixtures.worker.recorded_jobs import (
    HEIGHT,
    WIDTH,
    carry_out,
    claim_next,
    failed,
    new_job,
    plan,
    record_shard,
    segmented,
    write_pictures,
)
from samfleet.db.models import RunQuality
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageOutcome, ShardImage


def test_a_run_has_its_stage_times(tenant: Tenant, run_path: str) -> None:
    run = tenant.http.get(run_path).json()
    assert (run["state"], run["counts"]["succeeded"], run["counts"]["failed"]) == ("completed", 3, 1)
    assert list(run["stages"]) == ["queue", "fetch", "encode", "decode", "store"]
    assert run["stages"]["encode"] == {
        "n": 2,
        "mean_ms": 4.0,
        "p50_ms": 4.0,
        "p90_ms": 4.0,
        "p95_ms": 4.0,
        "p99_ms": 4.0,
    }
    assert run["quality"] == {"miou": 0.75, "instances": 6}
    assert run["provenance"]["weights_licence"] == "Apache-2.0"
    assert run["provenance"]["checkpoint_sha256"] == ["ab"]
    with_warmup = tenant.http.get(run_path, params={"include_warmup": True}).json()
    assert with_warmup["stages"]["encode"]["n"] == 3
    assert with_warmup["stages"]["encode"]["mean_ms"] == pytest.approx(36.0)


def annotated_job(tenant: Tenant, folder: Path, **fields: Any) -> dict[str, Any]:
    """A job over two pictures; the annotations of the first one equal the left mask of `segmented`."""
    write_pictures(folder, 2)
    square = [4, 5, 12, 5, 12, 15, 4, 15]
    annotations = {
        "images": [{"id": number + 1, "file_name": f"{number}.png"} for number in range(2)],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "segmentation": [square]}],
        "categories": [{"id": 3, "name": "patch"}],
    }
    (folder / "instances.json").write_text(json.dumps(annotations))
    body = {"source": "directory", "directory": str(folder), "annotations_path": str(folder / "instances.json")}
    dataset = tenant.http.post("/v1/datasets", json=body).json()
    wanted = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}, **fields}
    job: dict[str, Any] = tenant.http.post("/v1/jobs", json=wanted).json()
    return job


def test_a_completed_run_shows_its_evaluation(api: Api, tenant: Tenant, folder: Path) -> None:
    job = annotated_job(tenant, folder)
    assert job["evaluate"] is True
    carry_out(api, job)
    run = tenant.http.get(f"/v1/runs/{job['runs'][0]['id']}").json()
    (of_job,) = tenant.http.get(f"/v1/jobs/{job['id']}").json()["runs"]
    assert run["evaluation"] == of_job["evaluation"]
    assert run["quality_error"] is None
    small = {"metric": "ar", "area": "small", "max_detections": 10, "value": 1.0, "instances": 1}
    assert {**small, "low": None, "high": None} in run["evaluation"]
    limits = {(figure["metric"], figure["max_detections"]) for figure in run["evaluation"] if figure["area"] == "all"}
    assert limits == {
        *(("ar", limit) for limit in (1, 10, 100, 1000)),
        *((metric, 100) for metric in ("ap_agnostic", "ap50_agnostic", "ap75_agnostic")),  # of one category, as UVO
    }


def test_a_resampled_figure_has_an_interval(api: Api, tenant: Tenant, folder: Path) -> None:
    job = annotated_job(tenant, folder)
    carry_out(api, job)
    run_id = uuid.UUID(job["runs"][0]["id"])
    with transaction(api.engine) as session:
        figure = RunQuality(run_id=run_id, metric="miou", area="all", max_detections=1, value=0.5, instances=9)
        figure.replicates = [place / 1000 for place in range(1001)]
        session.add(figure)
    run = tenant.http.get(f"/v1/runs/{run_id}").json()
    (found,) = [one for one in run["evaluation"] if one["metric"] == "miou"]
    assert (found["low"], found["value"], found["high"]) == (pytest.approx(0.025), 0.5, pytest.approx(0.975))


def test_a_job_may_omit_the_evaluation_and_needs_annotations_for_it(api: Api, tenant: Tenant, folder: Path) -> None:
    job = annotated_job(tenant, folder, evaluate=False)
    carry_out(api, job)
    run = tenant.http.get(f"/v1/runs/{job['runs'][0]['id']}").json()
    assert (job["evaluate"], run["evaluation"]) == (False, [])
    dataset = tenant.http.post("/v1/datasets", json={"source": "directory", "directory": str(folder)}).json()
    body = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}, "evaluate": True}
    answer = tenant.http.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "annotations_missing")


def test_a_run_shows_its_precision_and_the_result_of_its_gate(
    api: Api, tenant: Tenant, folder: Path, run_path: str
) -> None:
    plain = tenant.http.get(run_path).json()
    (hardware,) = plain["hardware"]
    assert (plain["gates"], hardware["precision"], hardware["compilation"]) == ([], "fp32", "none")

    def in_bf16(image: ShardImage) -> ImageOutcome:
        outcome = segmented(image)
        assert outcome.report is not None
        facts = {**outcome.report.hardware, "precision": "bf16", "compilation": "compile"}
        report = replace(
            outcome.report, hardware=facts, execution="bf16+compile", warmup_seconds=12.5, gate=gate().summary()
        )
        return replace(outcome, report=report)

    job = new_job(tenant, folder, images=2)
    carry_out(api, job, in_bf16)
    run = tenant.http.get(f"/v1/runs/{job['runs'][0]['id']}").json()
    (hardware,), (admitted,) = run["hardware"], run["gates"]
    assert (hardware["precision"], hardware["compilation"]) == ("bf16", "compile")
    assert admitted["hardware_id"] == hardware["id"]
    assert (admitted["execution"], admitted["warmup_seconds"]) == ("bf16+compile", 12.5)
    assert (admitted["agreeing_share"], admitted["worst_image"]) == (0.98, "coffee.png")
    (row,) = [one for one in tenant.http.get("/v1/hardware").json()["items"] if one["id"] == hardware["id"]]
    assert (row["precision"], row["facts"]["compilation"]) == ("bf16", "compile")
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["runs"][0]["gates"] == run["gates"]


def test_a_dataset_lists_the_sizes_that_its_newest_jobs_have_read(api: Api, tenant: Tenant, folder: Path) -> None:
    def sizes() -> list[tuple[int | None, int | None]]:
        items = tenant.http.get(f"/v1/datasets/{job['dataset_id']}/images").json()["items"]
        return [(item["width"], item["height"]) for item in items]

    job = new_job(tenant, folder, images=3)
    unread = (None, None)
    assert sizes() == [unread] * 3
    plan(api, job)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed, lambda image: failed(image) if image.image_id == 2 else segmented(image))
    assert sizes() == [(WIDTH, HEIGHT), unread, unread]
    again = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"]}).json()
    assert sizes() == [(WIDTH, HEIGHT), unread, unread]
    carry_out(api, again)
    assert sizes() == [(WIDTH, HEIGHT)] * 3


def test_one_image_is_shown_with_its_result_or_error(tenant: Tenant, run_path: str) -> None:
    image = tenant.http.get(f"{run_path}/images/3").json()
    assert (image["file_name"], image["outcome"], image["error"]) == ("2.png", "succeeded", None)
    assert (image["width"], image["height"], len(image["masks"])) == (WIDTH, HEIGHT, 2)
    assert image["stages"]["encode"] == {"ms": 4.0, "batch_ms": 8.0}
    assert image["stages"]["fetch"] == {"ms": 1.0, "batch_ms": None}
    assert image["stages"]["queue"]["ms"] >= 5.0
    assert (image["batch_size"], image["clock"], image["warmup"], image["round_trip_ms"]) == (2, "host", False, 25.0)
    assert (image["energy_j"], image["other_load"]) == (12.5, 0.25)
    assert (image["peak_memory_bytes"], image["peak_reserved_bytes"]) == (1000, 4000)
    assert (image["weights_licence"], image["checkpoint_sha256"]) == ("Apache-2.0", "ab")
    without = tenant.http.get(f"{run_path}/images/3", params={"with_masks": False}).json()
    assert without == {**image, "masks": []}
    lost = tenant.http.get(f"{run_path}/images/2").json()
    assert (lost["outcome"], lost["masks"], lost["energy_j"]) == ("failed", [], None)
    assert lost["error"] == {"code": "image_truncated", "message": "the file ends early", "stage": "preprocess"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/images/99", 404, "image_result_not_found"),
        ("/images/99/overlay.png", 404, "image_result_not_found"),
        ("/images/2/overlay.png", 409, "image_not_segmented"),
        ("/images/x", 422, "payload_invalid"),
        (f"/images/{2**63}", 422, "payload_invalid"),
        ("/results?format=xml", 422, "payload_invalid"),
        ("/results?boxes=xyxy", 422, "payload_invalid"),
        ("/results?fromat=jsonl", 422, "payload_invalid"),
    ],
)
def test_unknown_resources_of_a_run_are_refused(
    tenant: Tenant, run_path: str, path: str, status: int, code: str
) -> None:
    answer = tenant.http.get(run_path + path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_images_are_found_by_part_of_their_name(tenant: Tenant, run_path: str) -> None:
    def found(**params: str) -> list[str]:
        answer = tenant.http.get(f"{run_path}/images", params=params).json()
        return [image["file_name"] for image in answer["items"]]

    everything = found()
    assert len(everything) == 4
    assert found(file_name="2.P") == [everything[2]]
    assert found(file_name="2.P", outcome="failed") == []
    assert found(file_name="%") == []


def test_images_are_filtered_and_sorted_by_their_figures(tenant: Tenant, run_path: str) -> None:
    def found(**params: Any) -> list[int]:
        answer = tenant.http.get(f"{run_path}/images", params=params).json()
        return [image["image_id"] for image in answer["items"]]

    first = tenant.http.get(f"{run_path}/images", params={"limit": 1}).json()["items"][0]
    assert (first["predicted_iou"], first["iou"]) == (0.9, 0.75)
    assert found(error_code="image_truncated") == found(outcome="failed") == [2]
    assert found(error_code="image_missing") == []
    assert found(min_mask_count=2, max_mask_count=2, min_predicted_iou=0.9) == [1, 3, 4]
    assert found(max_predicted_iou=0.89) == found(min_iou=0.76) == []
    assert found(sort="-iou") == [4, 3, 1]
    assert (found(from_position=2), found(from_position=1, outcome="succeeded"), found(from_position=9)) == (
        [3, 4],
        [3, 4],
        [],
    )
    assert found(sort="-image_ms")[0] == 1  # the warm-up


def test_pages_in_an_order_follow_their_cursors(tenant: Tenant, run_path: str) -> None:
    page = tenant.http.get(f"{run_path}/images", params={"sort": "image_ms", "limit": 2}).json()
    ids = [image["image_id"] for image in page["items"]]
    rest = tenant.http.get(f"{run_path}/images", params={"sort": "image_ms", "cursor": page["next"]}).json()
    assert (ids, [image["image_id"] for image in rest["items"]], rest["next"]) == ([3, 4], [1], None)
    for other in ("position", "-image_ms", "iou"):
        answer = tenant.http.get(f"{run_path}/images", params={"sort": other, "cursor": page["next"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"min_mask_count": 3, "max_mask_count": 2}, "image_bounds_invalid"),
        ({"outcome": "failed", "sort": "iou"}, "image_sort_impossible"),
        ({"error_code": "x", "sort": "mask_count"}, "image_sort_impossible"),
        ({"from_position": 2, "sort": "iou"}, "image_sort_impossible"),
        ({"min_iou": "nan"}, "payload_invalid"),
        ({"sort": "size"}, "payload_invalid"),
    ],
)
def test_wrong_filters_of_images_are_refused(tenant: Tenant, run_path: str, params: dict[str, Any], code: str) -> None:
    answer = tenant.http.get(f"{run_path}/images", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
