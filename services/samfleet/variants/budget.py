"""Limits on the work of a variant: prompts per image and per job, and the masks kept of an image.

A prompt takes 17 ms with MobileSAM on two slow cores and far less on a GPU. So the default limit of an image takes nine
minutes there, less than the half hour that a worker waits for an image. The official parameters pass: 64 x 64 points
are 4,096 prompts; the crops of SA-1B (4 of 16 x 16 and 16 of 8 x 8 points, and 32 x 32) are 3,072.

A prompt of a variant without an image encoder runs the whole network. It counts as `PromptRules.cost` prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

from samfleet.errors import InvalidInput
from samfleet.variants.task import EverythingParameters, Prompt, TaskParameters

BYTES_BESIDE_A_CODE = 256  # per mask, for its numbers and objects


class PromptsTooMany(InvalidInput):
    """The task needs more prompts for an image or for the job than this server accepts; request fewer."""

    code = "prompts_too_many"


class MasksTooMany(InvalidInput):
    """The image has more masks than fit; raise pred_iou_thresh or stability_score_thresh, or use fewer prompts."""

    code = "masks_too_many"


def prompts_per_image(task: EverythingParameters) -> int:
    """Return the most prompts that the task can send to the decoder for one image."""
    if task.sampler == "instances":
        return 0
    if task.sampler == "object_aware":
        return task.max_detections
    total = 0
    for layer in range(task.crop_n_layers + 1):
        side = max(1, int(task.points_per_side / task.crop_n_points_downscale_factor**layer))
        points = side**2
        if task.sampler == "hierarchical":
            points += max(1, side // task.hierarchical_coarse_factor) ** 2
        total += 4**layer * points
    return total


def check_prompts_per_image(asked: int, most: int, what: str, cost: int = 1) -> None:
    """Raise `PromptsTooMany` above the limit; `what` tells the user what to change.

    `cost` is the variant's `PromptRules.cost`: each prompt counts that many times.
    """
    if asked * cost > most:
        weight = f", each of which counts as {cost} with this variant" if cost > 1 else ""
        raise PromptsTooMany(
            f"{what}: that is {asked} prompts for one image{weight}, and this server accepts {most} "
            "(SAMFLEET_MAX_PROMPTS_PER_IMAGE)"
        )


def check_task(task: TaskParameters, most: int, cost: int = 1) -> None:
    if isinstance(task, EverythingParameters) and not task.prompted:
        check_prompts_per_image(prompts_per_image(task), most, _changes(task), cost)


def check_request(task: TaskParameters, prompts: Sequence[Prompt], most: int, cost: int = 1) -> None:
    """Raise `PromptsTooMany` above the limit; each point of a prompt counts, `cost` times."""
    check_task(task, most, cost)
    points = sum(max(1, len(prompt.points)) for prompt in prompts)
    check_prompts_per_image(points, most, "send fewer prompts, or fewer points", cost)


def check_prompts_per_job(asked: int, most: int) -> None:
    if asked > most:
        raise PromptsTooMany(
            f"the job needs {asked} prompts (images x prompts per image, over all its runs), and this server accepts "
            f"{most} (SAMFLEET_MAX_PROMPTS_PER_JOB); lower points_per_side or crop_n_layers, or submit several jobs"
        )


def check_masks(found_bytes: int, most: int) -> None:
    if found_bytes > most:
        raise MasksTooMany(
            f"the candidate masks of this image take more than {most} bytes (SAMFLEET_MAX_MASK_BYTES); raise "
            "pred_iou_thresh or stability_score_thresh, or lower points_per_side or crop_n_layers"
        )


def _changes(task: EverythingParameters) -> str:
    if task.sampler == "object_aware":
        return f"lower max_detections ({task.max_detections})"
    return (
        f"lower points_per_side ({task.points_per_side}) or crop_n_layers ({task.crop_n_layers}), or raise "
        f"crop_n_points_downscale_factor ({task.crop_n_points_downscale_factor})"
    )
