"""Masks of detections in the image's pixels: prototypes mixed by each one's coefficients, scaled up, cut to its box.

The rule is `process_mask_native` of ultralytics 8.0.120, which FastSAM uses (`retina_masks`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet.masks.rle import encode_runs
from samfleet.masks.runs import Runs, pieces
from samfleet_models.drawing import DENSE_BYTES, MASK_THRESHOLD, Drawn, packed, stability_scores
from samfleet_models.instances.detections import Detections
from samfleet_models.reading import ReadMasks

BYTES_PER_PIXEL = 16  # of one mask: float32 logits, their product with the box, bools and copies


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects of one image, best first: their `masks`, whose `source` is the row in `scores`, and detections."""

    masks: ReadMasks
    scores: NDArray[np.float32]
    size: tuple[int, int]  # of the image: height, width

    def __len__(self) -> int:
        return len(self.masks.counts)


def draw_instances(
    found: Detections, prototypes: Tensor, size: tuple[int, int], stability: tuple[float, float | None]
) -> Instances:
    """Masks of detections whose boxes are in pixels of an image of `size` (height, width).

    `prototypes` are [C, h, w]. `stability` is the offset of the stability score and the least that passes, None for
    all. A pixel is in a mask where its logit is above 0, the box covers its number and its stability is counted within
    the box only.
    """
    offset, least = stability
    pixels = _without_padding(prototypes, size)
    step = max(1, DENSE_BYTES[prototypes.device.type] // (BYTES_PER_PIXEL * size[0] * size[1]))
    parts = []
    for start in range(0, len(found), step):
        rows = slice(start, start + step)
        logits = _logits(found.coefficients[rows], pixels, size)
        inside = _inside(torch.from_numpy(found.boxes[rows]).to(logits.device), size)
        logits = logits.where(inside, -torch.inf)
        score = stability_scores(logits, offset)
        passed = torch.arange(len(score)) if least is None else (score >= least).nonzero()[:, 0].cpu()
        drawn = Drawn(passed.numpy() + start, packed(logits[passed] > MASK_THRESHOLD), score[passed].cpu().numpy())
        parts += [_coded(drawn.part(piece), size) for piece in pieces(drawn.bits)]
    masks = ReadMasks.joined(parts)
    return Instances(masks, found.scores[masks.source], size)


def _without_padding(prototypes: Tensor, size: tuple[int, int]) -> Tensor:
    """The part of [C, h, w] that shows the image; its padding is cut off by whole cells, downwards."""
    rows, columns = prototypes.shape[1:]
    gain = min(rows / size[0], columns / size[1])
    top, left = (rows - size[0] * gain) / 2, (columns - size[1] * gain) / 2
    return prototypes[:, int(top) : int(rows - top), int(left) : int(columns - left)]


def _logits(coefficients: Tensor, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, height, width] of [n, C] and [C, h, w]."""
    mixed = (coefficients @ pixels.float().flatten(1)).view(-1, *pixels.shape[1:])
    return functional.interpolate(mixed[None], size, mode="bilinear", align_corners=False)[0]


def _inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, height, width]: pixels whose number is at or after the box's beginning and before its end."""
    x0, y0, x1, y1 = (side[:, None] for side in boxes.unbind(1))
    rows, columns = (torch.arange(length, device=boxes.device) for length in size)
    in_rows, in_columns = (rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1)
    return in_rows[:, :, None] & in_columns[:, None, :]


def _coded(drawn: Drawn, size: tuple[int, int]) -> ReadMasks:
    runs = Runs.of_bits(drawn.bits, size)
    return ReadMasks(
        source=drawn.rows,
        counts=encode_runs(runs),
        boxes=runs.boxes().astype(np.float32),
        areas=runs.areas(),
        stability=drawn.stability,
    )
