"""Tasks of a survey: what the API is asked, and which annotations or detections the dataset needs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from samfleet.jobs.task import parse_job_task

Detector = Literal["vitdet", "yolov8", "grounding_dino"]
Shape = Literal["images", "annotations", "one_box", "vitdet", "yolov8", "grounding_dino"]
DETECTORS: tuple[Detector, ...] = get_args(Detector)


@dataclass(frozen=True, slots=True)
class SurveyTask:
    """A task in its REST form.

    `shape` is the form of the dataset: images alone, with all annotations, with one annotated box per image, or with
    the detections of a detector. `own_samplers`: only for variants whose default sampler is no grid.
    """

    name: str
    body: Mapping[str, Any]
    shape: Shape = "annotations"
    own_samplers: bool = False


def _grid(side: int) -> SurveyTask:
    return SurveyTask(f"grid_{side}", {"kind": "everything", "sampler": "grid", "points_per_side": side})


def _boxes(detector: Detector) -> SurveyTask:
    """Return the task of tables 7 and 8: all boxes of the detector, scored by it."""
    body = {
        "kind": "everything",
        "sampler": "object_aware",
        "boxes_from": "detections",
        "detection_score_thresh": 0.0,
        "detection_nms_thresh": 1.0,
        "max_detections": 1000,
    }
    return SurveyTask(detector, body, shape=detector)


def _prompt(name: str, **more: Any) -> SurveyTask:
    return SurveyTask(name, {"kind": "prompts", "prompt": name, **more})


TASKS: Mapping[str, SurveyTask] = {
    task.name: task
    for task in (
        SurveyTask("one_box", {"kind": "prompts", "prompt": "box"}, shape="one_box"),
        _grid(16),
        _grid(32),
        _grid(64),
        SurveyTask("own_method", {"kind": "everything"}, own_samplers=True),
        _prompt("center_point"),
        _prompt("random_points", points=3, seed=0),
        _prompt("box"),
        *map(_boxes, DETECTORS),
    )
}


def own_task(name: str, body: Mapping[str, Any]) -> SurveyTask:
    """Return a task that a plan defines. Raises `TaskInvalid`."""
    parse_job_task(body)
    return SurveyTask(name, dict(body))
