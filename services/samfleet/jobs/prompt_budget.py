"""Limits on the number of prompts of a job, checked before it is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetAnnotation, DatasetDetection
from samfleet.limits import MAX_PROMPTS_PER_IMAGE, MAX_PROMPTS_PER_JOB
from samfleet.variants.budget import (
    check_prompts_per_image,
    check_prompts_per_job,
    check_task,
    prompts_per_image,
)
from samfleet.variants.task import BoxSource, EverythingParameters, TaskParameters


@dataclass(frozen=True, slots=True)
class PromptLimits:
    per_image: int = MAX_PROMPTS_PER_IMAGE
    per_job: int = MAX_PROMPTS_PER_JOB


DEFAULT_LIMITS = PromptLimits()


def check_budget(
    session: Session,
    dataset: Dataset,
    tasks: Sequence[tuple[TaskParameters, int]],
    limits: PromptLimits,
    *,
    runs_each: int,
) -> None:
    """Raise `PromptsTooMany` if the job exceeds a limit.

    `tasks` are those of the job's variants, each in `runs_each` runs and with the variant's `PromptRules.cost`.
    """
    prompts = 0
    for task, cost in tasks:
        source = _source(task)
        if isinstance(task, EverythingParameters) and source == "detector":
            check_task(task, limits.per_image, cost)
            prompts += dataset.image_count * prompts_per_image(task) * cost
        else:
            most = task.max_detections if isinstance(task, EverythingParameters) and source == "detections" else None
            _check_most(session, dataset, source, most, limits.per_image, cost)
            count = (dataset.annotation_count if source == "annotations" else dataset.detection_count) or 0
            prompts += count * cost
    check_prompts_per_job(prompts * runs_each, limits.per_job)


def _source(task: TaskParameters) -> BoxSource:
    """Return the source of the task's prompts; `detector` if the backend generates them."""
    if not isinstance(task, EverythingParameters):
        return "annotations"
    return task.boxes_from if task.prompted else "detector"


def _check_most(session: Session, dataset: Dataset, source: BoxSource, most: int | None, limit: int, cost: int) -> None:
    """Check the image with the most prompts; it is queried only if the dataset has more prompts than the limit."""
    table = DatasetAnnotation if source == "annotations" else DatasetDetection
    total = (dataset.annotation_count if source == "annotations" else dataset.detection_count) or 0
    if min(total, total if most is None else most) * cost <= limit:
        return
    by_image = select(func.count().label("prompts")).where(table.dataset_id == dataset.id).group_by(table.image_id)
    found = session.scalar(select(func.max(by_image.subquery().c.prompts))) or 0
    requested = found if most is None else min(found, most)
    advice = f"an image has {found} {source}; " + ("lower max_detections" if most else "leave some of them out")
    check_prompts_per_image(requested, limit, advice, cost)
