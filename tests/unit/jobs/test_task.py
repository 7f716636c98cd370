from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from samfleet.jobs.task import parse_job_task
from samfleet.reports.task_words import task_words
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters, PromptsParameters, TaskInvalid

RECORD = get_variant("mobile_sam")


def test_segevery_takes_missing_fields_from_the_variant() -> None:
    task = parse_job_task({"kind": "everything", "points_per_side": 8})
    assert task.resolve(RECORD) == {**RECORD.everything.to_dict(), "points_per_side": 8}
    assert task.to_dict() == {"kind": "everything", "points_per_side": 8}
    assert task.prompted_by(RECORD) is None


def test_a_resolved_task_parses_to_itself() -> None:
    resolved = parse_job_task({"kind": "everything", "crop_n_layers": 1}).resolve(RECORD)
    assert parse_job_task(resolved).resolve(RECORD) == resolved
    assert parse_job_task(resolved).parameters(RECORD) == EverythingParameters(crop_n_layers=1)


@pytest.mark.parametrize(("prompt", "multimask"), [("box", False), ("center_point", True)])
def test_multimask_defaults_by_prompt(prompt: str, multimask: bool) -> None:
    task = parse_job_task({"kind": "prompts", "prompt": prompt})
    full = {"kind": "prompts", "prompt": prompt, "from": "annotations", "multimask": multimask}
    assert task.resolve(RECORD) == full
    assert parse_job_task({**full, "multimask": not multimask}).to_dict()["multimask"] is not multimask
    assert task.parameters(RECORD) == PromptsParameters(masks="best")
    assert task.prompted_by(RECORD) == "annotations"


def test_random_points_have_a_number_and_a_seed() -> None:
    full = {"kind": "prompts", "prompt": "random_points", "from": "annotations", "multimask": True}
    assert parse_job_task({"kind": "prompts", "prompt": "random_points"}).to_dict() == {**full, "points": 3, "seed": 0}
    given = {**full, "points": 5, "seed": 7, "multimask": False}
    assert parse_job_task(given).resolve(RECORD) == given


def test_prompts_of_a_file_have_no_settings() -> None:
    full = {"kind": "prompts", "prompt": "file", "from": "prompts"}
    task = parse_job_task({"kind": "prompts", "prompt": "file"})
    assert task.to_dict() == task.resolve(RECORD) == full
    assert parse_job_task(full) == task
    assert task.parameters(RECORD) == PromptsParameters(masks="best")
    assert task.prompted_by(RECORD) == "prompts"
    assert task_words(full) == "prompts, file"


@pytest.mark.parametrize("prompt", ["box", "random_points", "file"])
def test_tasks_with_prompts_take_tiles(prompt: str) -> None:
    task = parse_job_task({"kind": "prompts", "prompt": prompt, "tile": {"size": 1024}})
    resolved = task.resolve(RECORD)
    assert resolved["tile"] == {"size": 1024, "overlap": 128}
    assert parse_job_task(resolved) == task
    assert "tile" not in parse_job_task({"kind": "prompts", "prompt": prompt}).to_dict()


@pytest.mark.parametrize("boxes_from", ["annotations", "detections"])
def test_object_aware_sampling_uses_boxes_of_the_dataset(boxes_from: str) -> None:
    task = parse_job_task({"kind": "everything", "sampler": "object_aware", "boxes_from": boxes_from})
    assert task.prompted_by(RECORD) == boxes_from
    resolved = task.resolve(RECORD)
    assert resolved == {
        "kind": "everything",
        "sampler": "object_aware",
        "boxes_from": boxes_from,
        "detection_score_thresh": 0.4,
        "detection_nms_thresh": 0.9,
        "max_detections": 300,
    }
    assert parse_job_task(resolved).resolve(RECORD) == resolved


def test_a_variant_may_have_its_own_sampler() -> None:
    own = replace(RECORD, everything=EverythingParameters(sampler="object_aware"))
    assert parse_job_task({"kind": "everything"}).prompted_by(own) == "detections"
    with pytest.raises(TaskInvalid, match="'object_aware' does not take points_per_side"):
        parse_job_task({"kind": "everything", "points_per_side": 8}).resolve(own)
    assert parse_job_task({"kind": "everything", "sampler": "grid", "points_per_side": 8}).prompted_by(own) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind None is unknown"),
        ({"kind": "everything", "points": 3}, "unknown parameter points"),
        ({"kind": "everything", "points_per_side": 0}, "points_per_side is 0"),
        ({"kind": "prompts"}, "prompt is None"),
        ({"kind": "prompts", "prompt": "box", "from": "manifest"}, "from is 'manifest'"),
        ({"kind": "prompts", "prompt": "box", "from": "prompts"}, "'box' takes its prompts from 'annotations'"),
        ({"kind": "prompts", "prompt": "file", "from": "annotations"}, "'file' takes its prompts from 'prompts'"),
        ({"kind": "prompts", "prompt": "file", "multimask": True}, "'file' does not take multimask"),
        ({"kind": "prompts", "prompt": "file", "seed": 1}, "'file' does not take seed"),
        ({"kind": "prompts", "prompt": "box", "multimask": 1}, "multimask is 1"),
        ({"kind": "prompts", "prompt": "box", "masks": "all"}, "unknown parameter masks"),
        ({"kind": "prompts", "prompt": "box", "points": 3}, "'box' does not take points"),
        ({"kind": "prompts", "prompt": "center_point", "seed": 1}, "'center_point' does not take seed"),
        ({"kind": "prompts", "prompt": "random_points", "points": 0}, "points is 0"),
        ({"kind": "prompts", "prompt": "random_points", "seed": -1}, "seed is -1"),
    ],
)
def test_a_wrong_task_is_refused_with_the_reason(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskInvalid, match=message):
        parse_job_task(values)


def test_a_variant_with_a_detector_needs_no_boxes_of_the_dataset() -> None:
    record = get_variant("mobilesamv2")
    task = parse_job_task({"kind": "everything"})
    assert task.prompted_by(record) is None
    assert task.resolve(record) == {
        "kind": "everything",
        "sampler": "object_aware",
        "boxes_from": "detector",
        "detection_score_thresh": 0.4,
        "detection_nms_thresh": 0.9,
        "max_detections": 300,
    }
    given = parse_job_task({"kind": "everything", "sampler": "object_aware", "boxes_from": "annotations"})
    assert given.prompted_by(record) == "annotations"
    with pytest.raises(TaskInvalid, match="mobile_sam takes no boxes_from 'detector'; it takes annotations or detect"):
        parse_job_task({"kind": "everything", "sampler": "object_aware", "boxes_from": "detector"}).resolve(RECORD)


def test_a_network_that_finds_instances_takes_no_grid() -> None:
    record = get_variant("fastsam_s")
    assert parse_job_task({"kind": "everything"}).resolve(record) == {
        "kind": "everything",
        "sampler": "instances",
        "pred_iou_thresh": 0.4,
        "stability_score_thresh": 0.0,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.9,
        "max_detections": 300,
    }
    with pytest.raises(TaskInvalid, match="'instances' does not take points_per_side"):
        parse_job_task({"kind": "everything", "points_per_side": 8}).resolve(record)
    with pytest.raises(TaskInvalid, match="its samplers are instances, object_aware"):
        parse_job_task({"kind": "everything", "sampler": "grid"}).resolve(record)
    with pytest.raises(TaskInvalid, match="mobile_sam does not take sampler 'instances'"):
        parse_job_task({"kind": "everything", "sampler": "instances"}).resolve(RECORD)


def test_tiles_are_a_parameter_of_the_job_and_not_of_the_network() -> None:
    task = parse_job_task({"kind": "everything", "tile": {"size": 1024}})
    resolved = task.resolve(RECORD)
    assert resolved == {**RECORD.everything.to_dict(), "tile": {"size": 1024, "overlap": 128}}
    assert parse_job_task(resolved).resolve(RECORD) == resolved
    assert task.parameters(RECORD) == RECORD.everything
    assert task_words(resolved).endswith('tile {"overlap": 128, "size": 1024}')


@pytest.mark.parametrize("boxes_from", ["annotations", "detections"])
def test_tiles_do_not_go_with_boxes_of_the_dataset(boxes_from: str) -> None:
    task = {"kind": "everything", "sampler": "object_aware", "boxes_from": boxes_from, "tile": {"size": 512}}
    with pytest.raises(TaskInvalid, match=f"tile does not go with boxes_from '{boxes_from}'"):
        parse_job_task(task).parameters(RECORD)
