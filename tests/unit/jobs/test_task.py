from __future__ import annotations

from typing import Any

import pytest

from samfleet.jobs.task import parse_job_task
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters, PromptsParameters, TaskInvalid

RECORD = get_variant("mobile_sam")


def test_everything_takes_missing_fields_from_the_variant() -> None:
    task = parse_job_task({"kind": "everything", "points_per_side": 8})
    assert task.resolve(RECORD) == {**RECORD.everything.to_dict(), "points_per_side": 8}
    assert task.to_dict() == {"kind": "everything", "points_per_side": 8}
    assert not task.needs_annotations


def test_a_resolved_task_parses_to_itself() -> None:
    resolved = parse_job_task({"kind": "everything", "crop_n_layers": 1}).resolve(RECORD)
    assert parse_job_task(resolved).resolve(RECORD) == resolved
    assert parse_job_task(resolved).parameters(RECORD) == EverythingParameters(crop_n_layers=1)


@pytest.mark.parametrize(("prompt", "multimask"), [("box", False), ("center_point", True)])
def test_multimask_follows_the_prompt_unless_it_is_given(prompt: str, multimask: bool) -> None:
    task = parse_job_task({"kind": "prompts", "prompt": prompt})
    full = {"kind": "prompts", "prompt": prompt, "from": "annotations", "multimask": multimask}
    assert task.resolve(RECORD) == full
    assert parse_job_task({**full, "multimask": not multimask}).to_dict()["multimask"] is not multimask
    assert task.parameters(RECORD) == PromptsParameters(masks="best")
    assert task.needs_annotations


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind None is unknown"),
        ({"kind": "everything", "points": 3}, "unknown parameter points"),
        ({"kind": "everything", "points_per_side": 0}, "points_per_side is 0"),
        ({"kind": "prompts"}, "prompt is None"),
        ({"kind": "prompts", "prompt": "box", "from": "manifest"}, "from is 'manifest'"),
        ({"kind": "prompts", "prompt": "box", "multimask": 1}, "multimask is 1"),
        ({"kind": "prompts", "prompt": "box", "masks": "all"}, "unknown parameter masks"),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskInvalid, match=message):
        parse_job_task(values)
