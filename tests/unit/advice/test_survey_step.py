"""One survey for the measurements that an answer lacks."""

from __future__ import annotations

import itertools
import shlex
import uuid
from dataclasses import replace
from typing import Any

import pytest

from samfleet.advice.candidates import Candidate, default_task
from samfleet.advice.hints import hints_of
from samfleet.advice.machines import Machine
from samfleet.advice.next_steps import Place
from samfleet.advice.question import Question, Task
from samfleet.advice.ranking import rank
from samfleet.advice.survey_step import SurveyStep, survey_step, survey_task
from samfleet.variants.catalogue import VARIANTS
from samfleet_cli.survey.cells import HostedVariant, cells_of
from samfleet_cli.survey.plan import load_plan, narrowed
from samfleet_cli.survey.tasks import TASKS

CPU = Machine("Test CPU", "cpu", frozenset({uuid.UUID(int=2)}))


def unmeasured(variant: str, task: Task = "box") -> Candidate:
    parameters = default_task(task, VARIANTS[variant])
    assert parameters is not None
    return Candidate(variant, "fp32", parameters, {}, hints_of(task, variant), CPU)


def step(*candidates: Candidate, task: Task = "box", place: Place | None = None, **more: Any) -> SurveyStep | None:
    question = Question(task=task)
    return survey_step(question, rank(question, candidates), place or Place(), more.get("accepted", ()))


def test_one_command_measures_all_variants_the_best_published_first() -> None:
    place = Place("5f0c", "/data/my pictures", {"Test CPU": "laptops"})
    found = step(unmeasured("mobile_sam"), unmeasured("efficientvit_sam_l0"), unmeasured("edgesam"), place=place)
    assert found is not None
    assert found.variants == ("efficientvit_sam_l0", "edgesam", "mobile_sam")
    assert found.command == (
        "samfleet survey run --plan own --task box --variant efficientvit_sam_l0 --variant edgesam "
        "--variant mobile_sam --images '/data/my pictures' --annotations INSTANCES.json --pool laptops --out survey"
    )
    assert found.reason.startswith("measures all 3 variants")
    assert found.reason.endswith("accept S-Lab-1.0 first, or their variants are skipped")
    accepted = step(unmeasured("mobile_sam"), unmeasured("edgesam"), accepted={"S-Lab-1.0"})
    assert accepted is not None
    assert "accept" not in accepted.reason


def test_a_single_variant_needs_no_survey() -> None:
    assert step(unmeasured("mobile_sam")) is None
    assert step() is None


@pytest.mark.parametrize("task", ["box", "center_point", "everything"])
def test_the_command_measures_the_task_of_each_candidate(task: Task, tmp_path: Any) -> None:
    names = ("mobile_sam", "tinysam", "fastsam_s", "repvit_sam")
    candidates = [unmeasured(name, task) for name in names if default_task(task, VARIANTS[name])]
    found = step(*candidates, task=task)
    assert found is not None
    words = shlex.split(found.command)
    tasks = [after for word, after in itertools.pairwise(words) if word == "--task"]
    assert set(tasks) <= set(TASKS)
    plan = narrowed(load_plan("own", images=tmp_path), tasks, found.variants)
    hosted = [HostedVariant(name, True, VARIANTS[name].everything.to_dict()["sampler"]) for name in names]
    measured = {(cell.task, cell.variant) for cell in cells_of(plan, hosted)}
    assert {(survey_task(one), one.variant) for one in candidates} <= measured


def test_tasks_without_a_name_in_surveys_have_none() -> None:
    detections = [unmeasured(name, "detections") for name in ("mobile_sam", "tinysam")]
    assert step(*detections, task="detections") is None
    fine = unmeasured("mobile_sam", "everything")
    assert survey_task(replace(fine, task={**fine.task, "points_per_side": 12})) is None
    assert survey_task(replace(fine, task={**fine.task, "points_per_side": 16})) == "grid_16"
    assert survey_task(replace(fine, task={**fine.task, "pred_iou_thresh": 0.5})) is None
    assert (
        survey_task(replace(unmeasured("mobile_sam"), task={"kind": "prompts", "prompt": "box", "multimask": True}))
        is None
    )
