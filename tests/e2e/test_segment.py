"""`samfleet segment` through every real part, with real MobileSAM."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from fixtures.images.coco_evaluation import official, official_mean
from fixtures.images.scenes import SIZE, write_annotations, write_bad_files, write_one_pixel, write_scenes
from fixtures.models.shared_data import shared_path
from fixtures.servers.running_stack import Samfleet
from samfleet.quality.protocol import AREAS, CLASS_AWARE

STAGES = {"queue", "fetch", "preprocess", "encode", "decode", "postprocess", "store"}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_segevery_writes_valid_coco_files(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 2)
    out = tmp_path / "out"
    finished = samfleet(
        "segment", scenes[0].parent, "--variant", "mobile_sam", "--points-per-side", 4, "--out", out, "--json"
    )
    assert finished.exit_code == 0, finished.stderr
    summary = finished.json()
    assert summary == read(out / "summary.json")
    assert summary["counts"] == {"total": 2, "succeeded": 2, "failed": 0}
    assert summary["errors"] == []
    (run,) = summary["runs"]
    assert run["masks"] > 0
    assert run["hardware"][0]["device_name"]
    assert set(run["stages"]) == STAGES
    assert "2/2 images" in finished.stderr

    dataset = COCO(out / "dataset.json")
    assert [image["file_name"] for image in dataset.loadImgs([1, 2])] == [scene.name for scene in scenes]
    results = dataset.loadRes(str(out / "mobile_sam.coco.json"))
    assert len(results.getAnnIds()) == run["masks"]
    masks = read(out / "mobile_sam.coco.json")
    for mask in masks:
        assert rle.decode(mask["segmentation"]).shape == (SIZE[1], SIZE[0])
        assert mask["area"] == rle.area(mask["segmentation"])
        assert mask["score"] == mask["predicted_iou"]
    assert {mask["image_id"] for mask in masks} == {1, 2}
    instances = COCO(out / "mobile_sam.instances.json")
    assert len(instances.getAnnIds()) == run["masks"]
    for one in instances.loadAnns(instances.getAnnIds()):
        assert one["bbox"] == rle.toBbox(one["segmentation"]).tolist()
        assert instances.annToMask(one).sum() == one["area"]
    assert instances.loadCats(instances.getCatIds()) == [{"id": 1, "name": "object"}]


@pytest.mark.parametrize("task", ["box", "center_point", "random_points"])
def test_prompts_from_annotations_find_the_annotated_objects(samfleet: Samfleet, tmp_path: Path, task: str) -> None:
    scenes = write_scenes(tmp_path / "images", 3)
    annotations = write_annotations(tmp_path / "instances.json", scenes)
    out = tmp_path / "out"
    finished = samfleet(
        "segment", scenes[0].parent, "--annotations", annotations, "--variant", "mobile_sam", "--task", task,
        "--limit", 2, "--out", out,
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    (run,) = read(out / "summary.json")["runs"]
    assert (run["images"], run["masks"], run["quality"]["instances"]) == (2, 4, 4)
    assert run["quality"]["miou"] > 0.9
    assert "mIoU" in finished.stdout
    figures = {(figure["metric"], figure["area"]): figure for figure in run["evaluation"]}
    assert figures["miou", "all"]["value"] == pytest.approx(run["quality"]["miou"])
    assert figures["ap50", "all"]["value"] == 1.0
    masks = read(out / "mobile_sam.coco.json")
    assert [(mask["image_id"], mask["annotation_id"], mask["category_id"]) for mask in masks] == [
        (100, 1, 7),
        (100, 2, 7),
        (101, 3, 7),
        (101, 4, 7),
    ]
    assert read(out / "dataset.json")["categories"] == [{"id": 7, "name": "disc"}]


def test_results_of_one_run_are_prompts_of_another(samfleet: Samfleet, tmp_path: Path) -> None:
    """The images of the second run are read in their folder, or uploaded."""
    folder = write_scenes(tmp_path / "images", 2)[0].parent
    finished = samfleet(
        "segment", folder, "--variant", "mobile_sam", "--sampler", "hierarchical", "--points-per-side", 4,
        "--hierarchical-coarse-factor", 2, "--out", tmp_path / "first",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    detections = tmp_path / "first" / "mobile_sam.coco.json"
    found = read(detections)
    for name, sent in (("read", []), ("uploaded", ["--upload"])):
        finished = samfleet(
            "segment", folder, "--variant", "mobile_sam", "--sampler", "object_aware", "--detections", detections,
            "--detection-nms-thresh", 1, "--out", tmp_path / name, *sent,
        )  # fmt: skip
        assert finished.exit_code == 0, finished.stderr
        assert_prompted_by(found, read(tmp_path / name / "mobile_sam.coco.json"))


def assert_prompted_by(found: list[dict[str, Any]], masks: list[dict[str, Any]]) -> None:
    assert sorted(mask["detection_id"] for mask in masks) == list(range(1, len(found) + 1))
    for mask in masks:
        detection = found[mask["detection_id"] - 1]
        assert (mask["image_id"], mask["score"]) == (detection["image_id"], detection["score"])
        assert mask["prompt_box"] == detection["bbox"]
    ious = [
        rle.iou([mask["segmentation"]], [found[mask["detection_id"] - 1]["segmentation"]], [0])[0, 0] for mask in masks
    ]
    assert sum(ious) / len(ious) > 0.8


def test_bad_files_fail_one_by_one(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    good = write_scenes(folder, 2)
    one_pixel = write_one_pixel(folder)
    bad = write_bad_files(folder)
    out = tmp_path / "out"
    finished = samfleet("segment", folder, "--variant", "mobile_sam", "--points-per-side", 2, "--out", out, "--json")
    assert finished.exit_code == 3, finished.stderr
    summary = finished.json()
    assert summary["counts"] == {"total": len(good) + 1 + len(bad), "succeeded": len(good) + 1, "failed": len(bad)}
    assert {error["file_name"]: error["code"] for error in summary["errors"]} == BAD_FILE_CODES
    assert all(error["message"] for error in summary["errors"])
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in read(out / "dataset.json")["images"]}
    assert sizes[one_pixel.name] == (1, 1)
    assert sizes[good[0].name] == SIZE
    assert sizes["note.jpg"] == (0, 0)

    listed = samfleet("jobs", "errors", summary["job_id"], "--json").json()
    assert {error["file_name"]: error["code"] for error in listed} == BAD_FILE_CODES


BAD_FILE_CODES = {
    "huge.png": "image_too_large",
    "note.jpg": "image_unreadable",
    "truncated.jpg": "image_truncated",
    "zero.png": "image_empty",
}


def test_files_are_uploaded_if_the_server_may_not_read_them(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images" / "below", 2)
    annotations = write_annotations(tmp_path / "instances.json", scenes)
    out = tmp_path / "out"
    finished = samfleet(
        "segment", tmp_path / "images", "--annotations", annotations, "--variant", "mobile_sam", "--task", "box",
        "--upload", "--out", out, "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    assert "uploading: 2/2 files" in finished.stderr
    images = read(out / "dataset.json")["images"]
    assert [(image["id"], image["file_name"]) for image in images] == [
        (100, "below/scene_00.png"),
        (101, "below/scene_01.png"),
    ]
    assert finished.json()["runs"][0]["quality"]["miou"] > 0.9

    again = ("segment", scenes[0], "--variant", "mobile_sam", "--points-per-side", 1, "--out", out, "--json")
    refused = samfleet(*again)
    assert refused.stderr.splitlines()[-1].endswith("[results_exist]")
    alone = samfleet(*again, "--force")
    assert (alone.exit_code, alone.json()["counts"]["total"]) == (0, 1)


def test_refusals_are_one_line_and_exit_with_1(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 1)
    finished = samfleet("segment", scenes[0].parent, "--variant", "no_such_sam", "--out", tmp_path / "out")
    assert finished.exit_code == 1
    assert finished.stderr.splitlines()[-1].endswith("[variant_unknown]")

    (tmp_path / "empty").mkdir()
    finished = samfleet("segment", tmp_path / "empty", "--variant", "mobile_sam", "--out", tmp_path / "out")
    assert finished.exit_code == 1
    assert finished.stderr.splitlines()[-1].endswith("[dataset_empty]")
    assert not (tmp_path / "out").exists()


def test_the_job_of_an_interrupted_command_can_be_followed_and_cancelled(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 40)
    out = tmp_path / "out"
    with samfleet.started(
        "segment", scenes[0].parent, "--variant", "mobile_sam", "--points-per-side", 4, "--out", out
    ) as process:
        assert process.stderr is not None
        job_id = next(line.split()[1] for line in process.stderr if line.startswith("job "))
        process.send_signal(signal.SIGINT)
        _stdout, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"samfleet jobs follow {job_id}" in rest

    assert samfleet("jobs", "show", job_id, "--json").json()["state"] in {"queued", "running"}
    assert samfleet("jobs", "cancel", job_id).exit_code == 0
    followed = samfleet("jobs", "follow", job_id, "--out", out, "--json")
    assert followed.exit_code == 4, followed.stderr
    assert followed.json()["job_id"] == job_id
    listed = samfleet("jobs", "list", "--state", "cancelled", "--json").json()
    assert job_id in {job["id"] for job in listed}


@pytest.mark.heavy
def test_coco_photographs_are_segmented_by_box(samfleet: Samfleet, tmp_path: Path) -> None:
    data = shared_path("data", "coco_dev")
    out = tmp_path / "out"
    finished = samfleet(
        "segment", data / "images", "--annotations", data / "instances.json", "--variant", "mobile_sam",
        "--task", "box", "--out", out, "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    summary = finished.json()
    assert summary["counts"] == {"total": 66, "succeeded": 66, "failed": 0}
    assert len(read(out / "dataset.json")["images"]) == 66


@pytest.mark.heavy
def test_a_run_over_photographs_has_the_figures_of_the_official_tools(samfleet: Samfleet, tmp_path: Path) -> None:
    """Boxes of coco_dev: the figures equal those of COCOeval over the exported file, mIoU equals the recorded one."""
    annotations = shared_path("data", "coco_dev", "instances.json")
    recorded = read(shared_path("ref", "dev", "predictor", "mobilesam_prompts.json"))["summary"]["box_single"]
    out = tmp_path / "out"
    finished = samfleet(
        "segment", annotations.parent / "images", "--annotations", annotations, "--variant", "mobile_sam",
        "--task", "box", "--out", out,
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    (run,) = read(out / "summary.json")["runs"]
    found = {(figure["metric"], figure["area"]): figure["value"] for figure in run["evaluation"]}
    assert found["miou", "all"] == pytest.approx(recorded["mIoU"], abs=5e-5)
    masks = [
        {name: value for name, value in entry.items() if name != "bbox"}  # or COCOeval takes areas of boxes
        for entry in read(out / "mobile_sam.coco.json")
    ]
    theirs = official(read(annotations), masks, CLASS_AWARE)
    for place, area in enumerate(AREAS):
        assert found["ap", area] == official_mean(theirs.eval["precision"][:, :, :, place, -1])


@pytest.mark.heavy
def test_segevery_over_photographs_has_the_recorded_recall(samfleet: Samfleet, tmp_path: Path) -> None:
    """The recall is that of the official generator with the same weights.

    Another processor's rounding may cost one of the 38 instances at one of the ten thresholds of IoU.
    """
    data = shared_path("data", "coco_dev")
    recorded = read(shared_path("ref", "dev", "amg_ar.json"))["results"]["pps16"]["set"]
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for image_id in recorded["image_ids"]:
        shutil.copy(data / "images" / f"{image_id:012}.jpg", folder)
    finished = samfleet(
        "segment", folder, "--annotations", data / "instances.json", "--variant", "mobile_sam",
        "--points-per-side", 16, "--out", out, "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    (run,) = finished.json()["runs"]
    assert run["masks"] == pytest.approx(recorded["n_masks"], rel=0.01)
    found = {figure["max_detections"]: figure["value"] for figure in run["evaluation"] if figure["area"] == "all"}
    assert found == pytest.approx({limit: recorded[f"AR@{limit}"] for limit in (1, 10, 100, 1000)}, abs=1 / 380)
