"""Conventions of a family for images, prompts and masks, as data: no code branches on the name of a variant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from samfleet.errors import InvalidInput
from samfleet.variants.task import BoxSource, EverythingParameters, Prompt, Sampler, TaskInvalid, TaskParameters

Filter = Literal["pillow_bilinear", "pillow_bicubic", "opencv_bilinear", "float_bilinear", "float_antialiased"]
PromptLayout = Literal["sam", "unpadded", "sam2", "efficient_sam"]
Upsampling = Literal["through_frame", "direct", "direct_bicubic", "cropped"]
SingleMask = Literal["own", "own_if_stable", "best"]
Ranking = Literal["predicted_iou", "stability"]

BOX_POINTS = 2  # a box is two points to every decoder


class PromptUnsupported(InvalidInput):
    """The variant does not support this prompt."""

    code = "prompt_unsupported"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of pixels to the network's input.

    `mean` and `std` apply to values in [0, 255], in the `order` of the channels in the network's input. `longest_side`
    keeps the aspect ratio and pads zeros right and bottom after normalisation; `stretch` does not keep it; `letterbox`
    keeps it and centres the image on grey (`samfleet_models.networks.yolo.letterbox`). `filter` is Pillow's antialiased
    one on uint8, OpenCV's without antialiasing, or torch's on floats, antialiased or not. `rounding` of the resized
    sides is int(x + 0.5), int(x), or half to even.
    """

    resize: Literal["longest_side", "stretch", "letterbox"] = "longest_side"
    filter: Filter = "pillow_bilinear"
    rounding: Literal["half_up", "floor", "half_even"] = "half_up"
    order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class PromptRules:
    """The prompts that a family takes, and their tokens (`samfleet_models.mask_generation.prompt_tokens`).

    `frame_size` is the side in pixels of the square that coordinates refer to; None if it is the input's. `most_points`
    counts a box as two. `masks` are mask prompts, alone or with the others. `mixed` allows a box and points in one
    prompt. `cost` is the number of prompts as which each prompt counts against the limits (`samfleet.variants.budget`):
    more than one if it runs more than a mask decoder.
    """

    layout: PromptLayout = "sam"
    frame_size: int | None = None
    boxes: bool = True
    points: bool = True
    negative_points: bool = True
    masks: bool = True
    mixed: bool = True
    most_points: int | None = None
    cost: int = 1


@dataclass(frozen=True, slots=True)
class MaskRules:
    """Choice of the masks for a prompt, and upsampling of their logits to the image.

    `multimask` are the decoder's masks for an ambiguous prompt: all of them are returned, or only the best
    (`multimask_best_only`). An unambiguous prompt gets mask 0 (`own`), mask 0 if it is stable and otherwise the best of
    the others (`own_if_stable`, SAM 2), or the best of the others if mask 0 is not used (`best`). `grid_best_only`
    keeps one mask per grid point. `ranked_by` is the score for "best" and `pred_iou_thresh`.

    `upsampling` is bilinear to the frame and from there to the image (`through_frame`), in one step (`direct`, or
    `direct_bicubic`), or in one step from the logits cropped to the image's part of the frame (`cropped`).
    """

    upsampling: Upsampling = "through_frame"
    multimask: tuple[int, ...] = (1, 2, 3)
    multimask_best_only: bool = False
    grid_best_only: bool = False
    single: SingleMask = "own"
    ranked_by: Ranking = "predicted_iou"


@dataclass(frozen=True, slots=True)
class Conventions:
    """Conventions of one family, taken from its official code; `images.processor` and `prompt_tokens` apply them.

    `samplers` are the SegEvery samplers that it supports, `box_sources` the sources of boxes for `object_aware`.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    prompts: PromptRules = field(default_factory=PromptRules)
    masks: MaskRules = field(default_factory=MaskRules)
    samplers: tuple[Sampler, ...] = ("grid", "hierarchical", "adaptive", "salient", "object_aware")
    box_sources: tuple[BoxSource, ...] = ("annotations", "detections")

    def check(self, prompt: Prompt, variant: str) -> None:
        """Raise `PromptUnsupported` for a prompt that the family does not support."""
        rules = self.prompts
        points = len(prompt.points) + (0 if prompt.box is None else BOX_POINTS)
        if prompt.points and not rules.points:
            raise PromptUnsupported(f"{variant} takes no points; use boxes")
        if prompt.box is not None and not rules.boxes:
            raise PromptUnsupported(f"{variant} takes no boxes; use points")
        if prompt.points and prompt.box is not None and not rules.mixed:
            raise PromptUnsupported(f"{variant} takes points or a box, not both in one prompt; leave one of them out")
        if prompt.mask is not None:
            self.check_masks(variant)
        if 0 in prompt.labels and not rules.negative_points:
            raise PromptUnsupported(f"{variant} takes no background points (label 0); use foreground points only")
        if rules.most_points is not None and points > rules.most_points:
            raise PromptUnsupported(
                f"{variant} takes at most {rules.most_points} points, a box counting as {BOX_POINTS}; this prompt "
                f"has {points}"
            )

    def check_masks(self, variant: str) -> None:
        """Raise `PromptUnsupported` if the family takes no masks as prompts."""
        if not self.prompts.masks:
            raise PromptUnsupported(f"{variant} takes no masks as prompts; use points or boxes, or another variant")

    def check_task(self, task: TaskParameters, variant: str) -> None:
        """Raise `TaskInvalid` for a SegEvery task that the family does not support."""
        if not isinstance(task, EverythingParameters):
            return
        if task.sampler not in self.samplers:
            raise TaskInvalid(
                f"{variant} does not take sampler {task.sampler!r}; its samplers are {', '.join(self.samplers)}"
            )
        if task.sampler == "object_aware" and task.boxes_from not in self.box_sources:
            raise TaskInvalid(
                f"{variant} takes no boxes_from {task.boxes_from!r}; it takes {' or '.join(self.box_sources)}"
            )
