from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from fixtures.api.api_double import STAGE, ApiDouble, image, job, page, run
from fixtures.models.gates import gate
from samfleet.client.schemas import Job, Run
from samfleet_cli.jobs.result_files import hardware_of, result_name, stages_note, summarise, write_results
from samfleet_cli.tables import evaluation_table, runs_table, stages_table

MODEL = {
    "title": "MobileSAM",
    "code_licence": "Apache-2.0",
    "weights_licence": "Apache-2.0",
    "repository": "https://github.com/ChaoningZhang/MobileSAM",
    "arxiv": "2306.14289",
    "checkpoint_sha256": ["c" * 64],
}
MASKS = b'[{"image_id": 1}]'
SUMMARY: dict[str, Any] = {
    "job_id": "j1",
    "counts": {"total": 2, "succeeded": 1, "failed": 1},
    "runs": [
        {
            "variant": "mobile_sam",
            "pool": "local",
            "state": "completed",
            "provenance": MODEL,
            "hardware": [
                {
                    "id": "h1",
                    "device_name": "A CPU",
                    "device_kind": "cpu",
                    "precision": "fp32",
                    "compilation": "none",
                }
            ],
            "images": 2,
            "failed": 1,
            "masks": 7,
            "images_per_second": 1.5,
            "stages": {"encode": {"n": 2, "mean_ms": 2.0, "p50_ms": 2.0, "p90_ms": 3.0, "p99_ms": 4.0}},
            "stages_include_warmup": False,
            "quality": {"miou": 0.5, "instances": 4},
        }
    ],
    "errors": [
        {
            "variant": "mobile_sam",
            "pool": "local",
            "image_id": 2,
            "file_name": "b.jpg",
            "code": "image_truncated",
            "message": "m",
            "stage": "preprocess",
        }
    ],
}


def api() -> ApiDouble:
    counted = {"total": 2, "succeeded": 1, "failed": 1}
    finished = run(counts=counted, provenance=MODEL, stages={"encode": STAGE}, quality={"miou": 0.5, "instances": 4})
    failure = {"run_id": "r1", "image_id": 2, "file_name": "b.jpg", "code": "image_truncated", "message": "m"}
    return ApiDouble(
        {
            "GET /v1/runs/r1": finished,
            "GET /v1/runs/r1/results": httpx.Response(200, content=MASKS),
            "GET /v1/jobs/j1/errors": page({**failure, "stage": "preprocess"}),
            "GET /v1/datasets/d1/categories": {"items": [{"id": 3, "name": "cat"}]},
            "GET /v1/datasets/d1/images": page(image(0, "a.jpg"), image(1, "b.jpg", width=None, height=None)),
        }
    )


def test_the_files_match_the_documentation(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    counts = {"total": 2, "succeeded": 1, "failed": 1, "in_progress": 0}
    double = api()
    results = write_results(double.client(), Job.model_validate(job(counts=counts)), out)

    masks = ["mobile_sam.coco.json", "mobile_sam.instances.json"]
    assert sorted(path.name for path in out.iterdir()) == ["dataset.json", *masks, "summary.json"]
    assert [(out / name).read_bytes() for name in masks] == [MASKS, MASKS]
    asked = [request.url.params["format"] for request in double.requests if request.url.path.endswith("/results")]
    assert asked == ["coco", "instances"]
    assert json.loads((out / "dataset.json").read_text()) == {
        "info": {"description": "Images segmented by samfleet", "models": [{"variant": "mobile_sam", **MODEL}]},
        "images": [
            {"id": 1, "width": 4, "height": 3, "file_name": "a.jpg"},
            {"id": 2, "width": 0, "height": 0, "file_name": "b.jpg"},
        ],
        "annotations": [],
        "categories": [{"id": 3, "name": "cat"}],
    }
    summary = json.loads((out / "summary.json").read_text())
    assert summary == results.summary
    assert summary == SUMMARY


def test_unclassified_masks_have_a_category(tmp_path: Path) -> None:
    double = api()
    double.answers["GET /v1/datasets/d1/categories"] = {"items": []}
    write_results(double.client(), Job.model_validate(job()), tmp_path)
    assert json.loads((tmp_path / "dataset.json").read_text())["categories"] == [{"id": 1, "name": "object"}]


def test_file_names_contain_the_pool_only_if_there_are_several() -> None:
    one, other = Run.model_validate(run()), Run.model_validate(run(pool="gpu"))
    assert result_name(one, [one]) == "mobile_sam"
    assert result_name(other, [one, other]) == "mobile_sam@gpu"


def test_warm_up_images_count_if_there_are_no_others(tmp_path: Path) -> None:
    double = api()
    finished = double.answers["GET /v1/runs/r1"]
    double.answers["GET /v1/runs/r1"] = [{**finished, "stages": {}}, finished]
    results = write_results(double.client(), Job.model_validate(job()), tmp_path)
    (summary,) = results.summary["runs"]
    assert set(summary["stages"]) == {"encode"}
    assert "all from the slower warm-up" in stages_note(summary)
    asked = [request.url.params["include_warmup"] for request in double.requests if request.url.path == "/v1/runs/r1"]
    assert asked == ["false", "true"]


def test_percentiles_of_few_images_are_marked() -> None:
    times = {"mean_ms": 2.0, "p50_ms": 2.0, "p90_ms": 3.0, "p99_ms": 4.0}
    few = {**SUMMARY["runs"][0], "images": 5, "failed": 0, "stages": {"encode": {"n": 1, **times}}}
    many = {**few, "images": 404, "stages": {"encode": {"n": 400, **times}}}
    assert stages_note(few) == (
        "times of 1 image; without 4 images of the warm-up after a load; "
        "with so few images, p90 and p99 mainly reflect the slowest one"
    )
    assert stages_note(many) == "times of 400 images; without 4 images of the warm-up after a load"
    shown = io.StringIO()
    Console(file=shown, width=160).print(stages_table(many))
    assert re.search(r"encode\W+400\W", shown.getvalue())
    assert stages_note(many) in " ".join(shown.getvalue().split())


def test_an_execution_other_than_fp32_is_in_the_summary_with_its_gate() -> None:
    figures = {"hardware_id": "h1", "execution": "bf16", "warmup_seconds": None, **gate().summary()}
    hardware = {"id": "h1", "device_name": "A GPU", "device_kind": "cuda", "precision": "bf16"}
    done = Run.model_validate(run(hardware=[hardware], gates=[figures]))
    (summary,) = summarise(Job.model_validate(job()), [(done, False)], [])["runs"]
    assert summary["gates"] == [figures]
    assert summary["hardware"] == [{**hardware, "compilation": "none"}]
    assert hardware_of(summary) == "A GPU (bf16)"
    assert hardware_of({"hardware": [{**hardware, "compilation": "compile"}]}) == "A GPU (bf16+compile)"


def test_a_failed_run_is_marked_in_the_summary_and_the_table() -> None:
    error = {"code": "variant_load_failed", "message": "no weights"}
    runs = [Run.model_validate(run(variant="a", state="failed", error=error)), Run.model_validate(run(variant="b"))]
    summary = summarise(Job.model_validate(job(state="failed")), [(one, False) for one in runs], [])
    assert [(one["state"], one.get("error")) for one in summary["runs"]] == [("failed", error), ("completed", None)]
    shown = io.StringIO()
    Console(file=shown, width=100).print(runs_table(summary))
    assert re.search(r"a\W+local\W+failed", shown.getvalue())
    del summary["runs"][0]
    Console(file=shown, width=100).print(runs_table(summary))
    assert "completed" not in shown.getvalue().rpartition("job j1")[2]


def test_an_evaluated_run_has_its_figures() -> None:
    figure = {"metric": "ar", "area": "all", "max_detections": 1000, "value": 0.25, "instances": 4}
    figure |= {"low": 0.125, "high": 0.5}
    error = {"code": "annotations_federated", "message": "AP is left out"}
    evaluated = Run.model_validate(run(evaluation=[figure], quality_error=error))
    (summary,) = summarise(Job.model_validate(job()), [(evaluated, False)], [])["runs"]
    assert (summary["evaluation"], summary["quality_error"]) == ([figure], error)
    shown = io.StringIO()
    Console(file=shown, width=100).print(evaluation_table(summary))
    text = shown.getvalue()
    assert "AR" in text
    assert "0.2500" in text
    assert "0.1250 to 0.5000" in text
    assert "AP is left out [annotations_federated]" in text


def test_the_summary_says_how_many_annotations_were_used() -> None:
    counted = {"images": 2, "annotated_images": 1, "annotations": 4, "unused": 4, "boxes": 0}
    annotated = Job.model_validate(job(annotations=counted))
    assert summarise(annotated, [], [])["annotations"] == counted
    assert str(annotated.annotations) == "1 of 2 images annotated, 4 of 8 annotations unused"
