from __future__ import annotations

from typing import Any

import pytest

from samfleet.variants.task import (
    ADAPTIVE_ONLY,
    HIERARCHICAL_ONLY,
    OBJECT_AWARE_ONLY,
    SALIENT_ONLY,
    EverythingParameters,
    Prompt,
    PromptsParameters,
    Sampler,
    TaskInvalid,
    task_from_dict,
)


def test_the_defaults_equal_those_of_the_official_generator() -> None:
    parameters = EverythingParameters()
    assert parameters.points_per_side == 32
    assert parameters.pred_iou_thresh == 0.88
    assert parameters.stability_score_thresh == 0.95
    assert parameters.box_nms_thresh == 0.7
    assert parameters.crop_overlap_ratio == pytest.approx(512 / 1500)
    assert parameters.min_mask_region_area == 0


@pytest.mark.parametrize(
    "task",
    [
        EverythingParameters(points_per_side=8, crop_n_layers=1),
        EverythingParameters(sampler="hierarchical", hierarchical_coarse_factor=2, high_score_thresh=1),
        EverythingParameters(sampler="adaptive", adaptive_levels=2, similarity_thresh=-0.5),
        EverythingParameters(sampler="salient", salient_window=7),
        EverythingParameters(sampler="object_aware", boxes_from="annotations", max_detections=7),
        PromptsParameters("all"),
    ],
)
def test_a_task_round_trips_through_json(task: EverythingParameters | PromptsParameters) -> None:
    assert task_from_dict(task.to_dict()) == task


def test_missing_values_come_from_the_variant() -> None:
    own = EverythingParameters(pred_iou_thresh=0.5)
    task = task_from_dict({"kind": "everything", "points_per_side": 4}, own)
    assert task == EverythingParameters(points_per_side=4, pred_iou_thresh=0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "task kind None is unknown"),
        ({"kind": "video"}, "'everything' or 'prompts'"),
        ({"kind": "everything", "points": 3}, "unknown parameter points"),
        ({"kind": "everything", "points_per_side": 0}, "points_per_side is 0"),
        ({"kind": "everything", "points_per_side": True}, "points_per_side is True"),
        ({"kind": "everything", "points_per_side": 2.5}, "whole number"),
        ({"kind": "everything", "points_per_batch": "some"}, "points_per_batch"),
        ({"kind": "everything", "stability_score_thresh": 1.5}, "from 0 to 1"),
        ({"kind": "everything", "pred_iou_thresh": float("nan")}, "pred_iou_thresh"),
        ({"kind": "everything", "min_mask_region_area": -1}, "min_mask_region_area"),
        ({"kind": "everything", "sampler": "learned"}, "sampler 'learned' is unknown"),
        ({"kind": "everything", "sampler": ["grid"]}, "is unknown"),
        ({"kind": "everything", "high_score_thresh": 8}, "sampler 'grid' does not take high_score_thresh"),
        ({"kind": "everything", "max_detections": 8}, "sampler 'grid' does not take max_detections"),
        ({"kind": "everything", "sampler": "hierarchical", "boxes_from": "detections"}, "does not take boxes_from"),
        ({"kind": "everything", "sampler": "object_aware", "crop_n_layers": 1}, "does not take crop_n_layers"),
        ({"kind": "everything", "sampler": "hierarchical", "hierarchical_coarse_factor": 0}, "coarse_factor is 0"),
        ({"kind": "everything", "sampler": "hierarchical", "high_score_thresh": float("inf")}, "high_score_thresh"),
        ({"kind": "everything", "sampler": "adaptive", "high_score_thresh": 8}, "'adaptive' does not take high_score"),
        ({"kind": "everything", "sampler": "adaptive", "adaptive_levels": 0}, "adaptive_levels is 0"),
        ({"kind": "everything", "sampler": "adaptive", "similarity_thresh": 1.1}, "similarity_thresh is 1.1"),
        ({"kind": "everything", "sampler": "salient", "similarity_thresh": 1}, "does not take similarity_thresh"),
        ({"kind": "everything", "sampler": "salient", "salient_window": 4}, "salient_window is 4; it must be odd"),
        ({"kind": "everything", "sampler": "salient", "salient_window": 65}, "whole number from 1 to 63"),
        (
            {"kind": "everything", "sampler": "object_aware", "boxes_from": "hat"},
            "'annotations', 'detections' or 'detector'",
        ),
        ({"kind": "everything", "sampler": "object_aware", "detection_nms_thresh": 2}, "detection_nms_thresh is 2"),
        ({"kind": "everything", "sampler": "object_aware", "detection_score_thresh": "0"}, "detection_score_thresh"),
        ({"kind": "everything", "sampler": "object_aware", "max_detections": 0}, "max_detections is 0"),
        ({"kind": "prompts", "masks": "some"}, "'best' or 'all'"),
    ],
)
def test_a_wrong_task_is_refused_with_the_reason(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskInvalid, match=message):
        task_from_dict(values)


def test_the_json_form_has_the_fields_of_the_sampler() -> None:
    grid = EverythingParameters().to_dict()
    assert grid["sampler"] == "grid"
    assert not (HIERARCHICAL_ONLY | ADAPTIVE_ONLY | SALIENT_ONLY | OBJECT_AWARE_ONLY) & grid.keys()
    samplers: dict[Sampler, frozenset[str]] = {
        "hierarchical": HIERARCHICAL_ONLY,
        "adaptive": ADAPTIVE_ONLY,
        "salient": SALIENT_ONLY,
    }
    for sampler, own in samplers.items():
        assert EverythingParameters(sampler=sampler).to_dict().keys() == grid.keys() | own
    boxes = EverythingParameters(sampler="object_aware").to_dict()
    assert boxes.keys() == {"kind", "sampler"} | OBJECT_AWARE_ONLY


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "neither points nor a box"),
        ({"points": ((1.0, 2.0),)}, "1 points but 0 labels"),
        ({"points": ((1.0, 2.0),), "labels": (2,)}, "labels are 1"),
        ({"box": (5.0, 0.0, 1.0, 1.0)}, "x0 <= x1"),
        ({"box": (float("nan"), 0.0, 1.0, 1.0)}, "finite"),
        ({"points": ((float("inf"), 2.0),), "labels": (1,)}, "finite"),
    ],
)
def test_a_wrong_prompt_is_refused_with_the_reason(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskInvalid, match=message):
        Prompt(**values)
