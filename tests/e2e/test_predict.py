"""Predictions on the whole stack have the masks of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from fixtures.images.scenes import SIZE, write_scenes
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet
from samfleet.client import Client


def test_a_prediction_has_the_masks_of_a_job_and_leaves_nothing(samfleet: Samfleet, tmp_path: Path) -> None:
    (scene,) = write_scenes(tmp_path / "images", 1)
    with Client(samfleet.info.api_url, samfleet.info.api_key) as client:
        before = sum(1 for _ in client.jobs()), sum(1 for _ in client.datasets())
        predicted = client.predict(scene, FIXED)
        assert (sum(1 for _ in client.jobs()), sum(1 for _ in client.datasets())) == before
        with client.segment([scene], FIXED, keep=False) as segmented:
            (of_job,) = segmented
        assert list(predicted.records) == list(of_job.records)
    assert predicted.masks.shape == (FIXED_MASKS, SIZE[1], SIZE[0])
    overlay, coco = tmp_path / "overlay.png", tmp_path / "masks.json"
    finished = samfleet("predict", scene, "--variant", FIXED, "--out", overlay, "--out", coco)
    assert finished.exit_code == 0, finished.stderr
    assert finished.stdout.startswith(f"{FIXED_MASKS} masks of {SIZE[0]} x {SIZE[1]} pixels")
    assert overlay.read_bytes() == predicted.overlay
    found = COCO(coco).dataset["annotations"]
    assert [one["segmentation"] for one in found] == [record["segmentation"] for record in predicted.records]


@pytest.mark.heavy
def test_mobile_sam_gives_a_prediction_the_masks_of_a_prompts_file(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 1)
    width, height = SIZE
    objects = [
        {"id": "a", "box": [width * 0.1, height * 0.1, width * 0.5, height * 0.6]},
        {"id": "b", "points": [[width * 0.3, height * 0.3], [width * 0.9, height * 0.9]], "labels": [1, 0]},
        {"id": "c", "prompts": [{"box": [0, 0, width, height]}, {"points": [[width * 0.7, height * 0.5]]}]},
    ]
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    prompts.write_text(json.dumps({"file_name": scenes[0].name, "objects": objects}) + "\n")
    finished = samfleet(
        "segment",
        scenes[0].parent,
        "--task",
        "file",
        "--prompts",
        prompts,
        "--variant",
        "mobile_sam",
        "--out",
        out,
        "--json",
    )
    assert finished.exit_code == 0, finished.stderr
    of_job: list[dict[str, Any]] = json.loads((out / "mobile_sam.coco.json").read_text())
    with Client(samfleet.info.api_url, samfleet.info.api_key) as client:
        predicted = client.predict(scenes[0], "mobile_sam", objects=objects)
        everything = client.predict(scenes[0], "mobile_sam", task={"kind": "everything", "points_per_side": 4})
        task = {"kind": "everything", "points_per_side": 4}
        with client.segment([scenes[0]], "mobile_sam", task=task, keep=False) as segmented:
            assert list(everything.records) == list(next(iter(segmented)).records)
    fields = ("segmentation", "area", "predicted_iou", "stability_score", "object_id", "object_prompt")
    assert len(predicted) == 4
    assert [[mask[name] for name in fields] for mask in predicted.records] == [
        [mask[name] for name in fields] for mask in of_job
    ]
