"""Prompts of a request, from the annotations, detections or prompts file of its image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.datasets.centre_point import centre_point
from samfleet.datasets.random_points import random_points
from samfleet.errors import InvalidInput
from samfleet.image_errors import ImageFailed
from samfleet.jobs.file_prompts import file_prompt
from samfleet.jobs.outcomes import Annotation, Detection, FilePrompt, PromptOrigin, ShardImage
from samfleet.jobs.task import EverythingJobTask, JobTask, PromptsJobTask
from samfleet.quality.segmentation import annotation_mask
from samfleet.quality.sizes import check_size
from samfleet.variants.task import EverythingParameters, Prompt, TaskParameters
from samfleet_worker.detection_selection import select_detections


class PromptInvalid(ImageFailed):
    """An annotation or detection of this image cannot be used as a prompt."""

    code = "prompt_invalid"


def prompt_origins(task: JobTask, parameters: TaskParameters, image: ShardImage) -> tuple[PromptOrigin, ...]:
    """Return what becomes a prompt each: annotated instances by id, prompts in the order of their file, or detections
    that pass the thresholds, best first.

    Empty if the backend chooses the prompts itself.
    """
    if isinstance(task, PromptsJobTask):
        return image.prompts if task.prompt == "file" else image.instances
    if not isinstance(parameters, EverythingParameters) or not parameters.prompted:
        return ()
    if parameters.boxes_from == "annotations":
        return image.instances
    return select_detections(
        image.detections,
        score_thresh=parameters.detection_score_thresh,
        nms_thresh=parameters.detection_nms_thresh,
        most=parameters.max_detections,
    )


def build_prompts(
    task: JobTask, image: ShardImage, origins: Sequence[PromptOrigin], read_size: Callable[[], tuple[int, int]]
) -> tuple[Prompt, ...]:
    """Build one prompt per origin, in order. `read_size` returns (width, height) of the upright image.

    The size is read for annotations and prompts of a file: annotations must have been made for this size, and the mask
    of a point prompt is drawn in it; prompts of a file must lie in it. Raises `ImageFailed`, or
    `AnnotationSizeMismatch` for annotations of another size.
    """
    annotated = [origin for origin in origins if isinstance(origin, Annotation)]
    from_file = [origin for origin in origins if isinstance(origin, FilePrompt)]
    others = [origin for origin in origins if not isinstance(origin, FilePrompt)]
    size = read_size() if annotated or from_file else (0, 0)
    if from_file:
        return tuple(file_prompt(origin, size) for origin in from_file)
    check_size(annotated, image.stated_size, *size)
    prompts = []
    for origin in others:
        try:
            prompts.append(_prompt(task, origin, size))
        except (InvalidInput, ValueError) as error:
            raise PromptInvalid(f"{_name(origin)} cannot be used as a prompt: {error}") from error
    return tuple(prompts)


def _prompt(task: JobTask, origin: Annotation | Detection, size: tuple[int, int]) -> Prompt:
    x, y, width, height = origin.bbox
    box = (x, y, x + width, y + height)
    if isinstance(task, EverythingJobTask):
        return Prompt(box=box)
    if task.prompt == "box" or not isinstance(origin, Annotation):
        return Prompt(box=box, multimask=task.multimask)
    points = _points(task, origin, annotation_mask(origin.segmentation, size[1], size[0]))
    return Prompt(
        points=tuple((float(x), float(y)) for x, y in points), labels=(1,) * len(points), multimask=task.multimask
    )


def _points(task: PromptsJobTask, annotation: Annotation, mask: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Return the foreground points of an object; the middle of its box if it is too thin to cover a pixel."""
    if not mask.any():
        x, y, width, height = annotation.bbox
        return ((x + width / 2, y + height / 2),)
    if task.prompt == "random_points":
        return random_points(mask, task.points, task.seed, annotation.annotation_id)
    return (centre_point(mask),)


def _name(origin: Annotation | Detection) -> str:
    if isinstance(origin, Annotation):
        return f"annotation {origin.annotation_id}"
    return f"detection {origin.detection_id}"
