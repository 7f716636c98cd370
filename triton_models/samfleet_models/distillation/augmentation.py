"""Random changes of a training sample: a window of the image around the object, a mirror, and an inexact prompt.

A sample's randomness comes from its own generator, so that it does not depend on the samples before it. The jitter of
boxes is Segment Anything's (arXiv 2304.02643, appendix A): 10 % of the side, at most 20 pixels. Windows and mirrors are
ours. SqueezeSAM's augmentation, which merges objects that belong together, needs labelled pairs and is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samfleet.variants.task import Prompt
from samfleet_models.distillation.answers import random_pixel
from samfleet_models.images.transforms import Pixels

WINDOW_SHARE = 0.5  # of the samples get a window
JITTER, MOST_JITTER = 0.1, 20.0


@dataclass(frozen=True, slots=True)
class Example:
    """Pixels HWC uint8 RGB, a mask [H, W] that is not empty, and the prompt for it, in the pixels' frame."""

    pixels: Pixels
    mask: NDArray[np.bool_]
    prompt: Prompt


def augmented(example: Example, random: np.random.Generator) -> Example:
    """Return a random variation of an example."""
    example = _with_new_prompt(example, random)
    if random.random() < WINDOW_SHARE:
        example = _window(example, random)
    if random.random() < 0.5:  # noqa: PLR2004 - every other sample
        example = _mirrored(example)
    return example


def _with_new_prompt(example: Example, random: np.random.Generator) -> Example:
    """Choose another pixel of the mask as the point, or move each side of the box."""
    if example.prompt.box is None:
        point = random_pixel(example.mask, random)
        return replace(example, prompt=replace(example.prompt, points=(point,)))
    height, width = example.mask.shape
    x0, y0, x1, y1 = example.prompt.box
    spread = np.array([x1 - x0, y1 - y0] * 2) * JITTER
    moved = np.array([x0, y0, x1, y1]) + np.clip(random.normal(0, 1, 4) * spread, -MOST_JITTER, MOST_JITTER)
    xs, ys = sorted(np.clip(moved[::2], 0, width - 1)), sorted(np.clip(moved[1::2], 0, height - 1))
    box = (float(xs[0]), float(ys[0]), float(xs[1]), float(ys[1]))
    return replace(example, prompt=Prompt(box=box))


def _window(example: Example, random: np.random.Generator) -> Example:
    """Cut out a random rectangle that contains the mask and the prompt."""
    rows, columns = np.flatnonzero(example.mask.any(1)), np.flatnonzero(example.mask.any(0))
    corners = np.array(example.prompt.box or (*example.prompt.points[0], *example.prompt.points[0]))
    x0, x1 = _side(min(columns[0], corners[0]), max(columns[-1], corners[2]), example.mask.shape[1], random)
    y0, y1 = _side(min(rows[0], corners[1]), max(rows[-1], corners[3]), example.mask.shape[0], random)
    return Example(example.pixels[y0:y1, x0:x1], example.mask[y0:y1, x0:x1], _moved(example.prompt, -x0, -y0))


def _side(low: float, high: float, length: int, random: np.random.Generator) -> tuple[int, int]:
    """Return a random range [start, stop) of 0 to `length` that contains `low` and `high`."""
    start = int(random.integers(0, int(low) + 1))
    stop = int(random.integers(min(length, int(np.ceil(high)) + 1), length + 1))
    return start, stop


def _mirrored(example: Example) -> Example:
    last = example.mask.shape[1] - 1
    prompt = example.prompt
    if prompt.box is None:
        turned = replace(prompt, points=tuple((last - x, y) for x, y in prompt.points))
    else:
        x0, y0, x1, y1 = prompt.box
        turned = replace(prompt, box=(last - x1, y0, last - x0, y1))
    return Example(np.ascontiguousarray(example.pixels[:, ::-1]), example.mask[:, ::-1], turned)


def _moved(prompt: Prompt, x: float, y: float) -> Prompt:
    if prompt.box is None:
        return replace(prompt, points=tuple((px + x, py + y) for px, py in prompt.points))
    x0, y0, x1, y1 = prompt.box
    return replace(prompt, box=(x0 + x, y0 + y, x1 + x, y1 + y))
