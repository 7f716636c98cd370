"""From the annotations of an image to the prompts of its request."""

from __future__ import annotations

from samfleet.datasets.centre_point import centre_point
from samfleet.jobs.quality import annotation_mask
from samfleet.jobs.results import Annotation, ShardImage
from samfleet.jobs.task import JobTask, PromptsJobTask
from samfleet.masks.image_errors import ImageFailed
from samfleet.variants.task import Prompt, TaskInvalid
from samfleet_worker.images import upright_size


class PromptInvalid(ImageFailed):
    """An annotation of this image cannot be used as a prompt."""

    code = "prompt_invalid"


def build_prompts(task: JobTask, image: ShardImage, data: bytes, max_pixels: int) -> tuple[Prompt, ...]:
    """One prompt per annotated instance, in the order of annotation ids; none for SegEvery.

    Only a centre point needs the image's size: its mask is drawn before the point is chosen.
    """
    if not isinstance(task, PromptsJobTask) or not image.instances:
        return ()
    size = upright_size(data, max_pixels) if task.prompt == "center_point" else (0, 0)
    prompts = []
    for annotation in image.instances:
        try:
            prompts.append(_prompt(task, annotation, size))
        except (TaskInvalid, ValueError) as error:
            raise PromptInvalid(f"annotation {annotation.annotation_id} cannot be used as a prompt: {error}") from error
    return tuple(prompts)


def _prompt(task: PromptsJobTask, annotation: Annotation, size: tuple[int, int]) -> Prompt:
    x, y, width, height = annotation.bbox
    if task.prompt == "box":
        return Prompt(box=(x, y, x + width, y + height), multimask=task.multimask)
    mask = annotation_mask(annotation.segmentation, size[1], size[0])
    point = centre_point(mask) if mask.any() else (x + width / 2, y + height / 2)  # too thin to cover a pixel
    return Prompt(points=((float(point[0]), float(point[1])),), labels=(1,), multimask=task.multimask)
