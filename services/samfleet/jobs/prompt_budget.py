"""Limits on the number of prompts of a job, checked before it is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetAnnotation, DatasetDetection, DatasetPrompts
from samfleet.jobs.task import PromptsJobTask, PromptSource
from samfleet.limits import MAX_PROMPTS_PER_IMAGE, MAX_PROMPTS_PER_JOB
from samfleet.quality.measures import require_masks
from samfleet.variants.budget import (
    check_prompts_per_image,
    check_prompts_per_job,
    check_task,
    prompts_per_image,
)
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, TaskParameters


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
    from_file: bool = False,
) -> None:
    """Raise `PromptsTooMany` if the job exceeds a limit.

    `tasks` are those of the job's variants, each in `runs_each` runs and with the variant's `PromptRules.cost`. Those
    that are not `EverythingParameters` prompt with annotations or, with `from_file`, with the dataset's prompts.
    """
    prompts = 0
    for task, cost in tasks:
        source = _source(task, from_file=from_file)
        if isinstance(task, EverythingParameters) and source == "detector":
            check_task(task, limits.per_image, cost)
            prompts += dataset.image_count * prompts_per_image(task) * cost
        else:
            most = task.max_detections if isinstance(task, EverythingParameters) and source == "detections" else None
            _check_most(session, dataset, source, most, limits.per_image, cost)
            prompts += _total(dataset, source) * cost
    check_prompts_per_job(prompts * runs_each, limits.per_job)


def check_prompts(task: PromptsJobTask, dataset: Dataset, records: Sequence[VariantRecord]) -> None:
    """Check that the dataset's prompts are of a kind that the task and the variants take.

    Raises `AnnotationMasksMissing` if points need masks, and `PromptUnsupported` if a variant takes no mask prompts.
    """
    if task.needs_masks:
        require_masks(dataset.box_annotation_count, dataset.annotation_count, "a point prompt")
    if task.prompt == "file" and dataset.mask_prompt_count:
        for record in records:
            record.conventions.check_masks(record.name)


def _source(task: TaskParameters, *, from_file: bool) -> PromptSource:
    """Return the source of the task's prompts; `detector` if the backend generates them."""
    if not isinstance(task, EverythingParameters):
        return "prompts" if from_file else "annotations"
    return task.boxes_from if task.prompted else "detector"


def _total(dataset: Dataset, source: PromptSource) -> int:
    counts = {
        "annotations": dataset.annotation_count,
        "detections": dataset.detection_count,
        "prompts": dataset.prompt_count,
    }
    return counts[source] or 0


def _check_most(
    session: Session, dataset: Dataset, source: PromptSource, most: int | None, limit: int, cost: int
) -> None:
    """Check the image with the most prompts; it is queried only if the dataset has more prompts than the limit."""
    total = _total(dataset, source)
    if min(total, total if most is None else most) * cost <= limit:
        return
    found = session.scalar(_most_of_an_image(dataset, source)) or 0
    requested = found if most is None else min(found, most)
    advice = f"an image has {found} {source}; " + ("lower max_detections" if most else "leave some of them out")
    check_prompts_per_image(requested, limit, advice, cost)


def _most_of_an_image(dataset: Dataset, source: PromptSource) -> Select[int]:
    if source == "prompts":
        return select(func.max(DatasetPrompts.prompt_count)).where(DatasetPrompts.dataset_id == dataset.id)
    table = DatasetAnnotation if source == "annotations" else DatasetDetection
    by_image = select(func.count().label("prompts")).where(table.dataset_id == dataset.id).group_by(table.image_id)
    return select(func.max(by_image.subquery().c.prompts))
