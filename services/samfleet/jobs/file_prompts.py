"""Prompts of a file in pixels of the image, whose size is known only when it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from samfleet.image_errors import ImageFailed
from samfleet.jobs.outcomes import FilePrompt
from samfleet.variants.task import Prompt

OF_PROMPT = ("object_id", "object_prompt", "prompt_points", "prompt_labels", "prompt_box")  # fields of a mask
TOLERANCE = 1.0  # pixels beyond the edge: tools count from 0 or 1, and round

Size = tuple[int, int]  # width, height in pixels


class PromptMaskMismatch(ImageFailed):
    """A mask prompt has another size than this image; make the mask for the upright image."""

    code = "prompt_mask_mismatch"


class PromptOutsideImage(ImageFailed):
    """A prompt lies outside this image; correct its coordinates."""

    code = "prompt_outside_image"


def file_prompt(origin: FilePrompt, size: Size) -> Prompt:
    """Return the prompt in pixels. Raises `PromptOutsideImage` if it exceeds the image by more than a pixel, and
    `PromptMaskMismatch` for a mask of another size.

    A box is not cut at the edge, so that the model gets what the file has.
    """
    prompt = _scaled(origin.prompt, size) if origin.relative else origin.prompt
    corners = (prompt.box[:2], prompt.box[2:]) if prompt.box is not None else ()
    for x, y in (*prompt.points, *corners):
        if not (-TOLERANCE <= x <= size[0] + TOLERANCE and -TOLERANCE <= y <= size[1] + TOLERANCE):
            raise PromptOutsideImage(
                f"object {origin.object_id!r} has a prompt at ({x:g}, {y:g}), outside the image, which has {size[0]} x "
                f"{size[1]} pixels (width x height, upright); correct the prompts file"
            )
    if prompt.mask is not None and prompt.mask.size != (size[1], size[0]):
        height, width = prompt.mask.size
        raise PromptMaskMismatch(
            f"object {origin.object_id!r} has a mask of {width} x {height} pixels, but the image has {size[0]} x "
            f"{size[1]} (width x height, upright); correct the prompts file"
        )
    return prompt


def sent_prompt(origin: FilePrompt, prompt: Prompt) -> dict[str, Any]:
    """Return the fields of a mask that tell its object and the prompt as it was sent, in pixels.

    `prompt_box` is (x, y, width, height), like the box of a mask.
    """
    fields: dict[str, Any] = {} if origin.category_id is None else {"category_id": origin.category_id}
    fields |= {"object_id": origin.object_id, "object_prompt": origin.number}
    if prompt.points:
        fields["prompt_points"] = [list(point) for point in prompt.points]
        fields["prompt_labels"] = list(prompt.labels)
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        fields["prompt_box"] = [x0, y0, x1 - x0, y1 - y0]
    return fields


def _scaled(prompt: Prompt, size: Size) -> Prompt:
    width, height = size
    points = tuple((x * width, y * height) for x, y in prompt.points)
    if prompt.box is None:
        return replace(prompt, points=points)
    x0, y0, x1, y1 = prompt.box
    return replace(prompt, points=points, box=(x0 * width, y0 * height, x1 * width, y1 * height))
