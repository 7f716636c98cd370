"""Masks of detections in the image's pixels: prototypes mixed by coefficients, scaled up, cut to the box.

The rule is `process_mask_native` of ultralytics 8.0.120, which FastSAM uses (`retina_masks`). Of each mask only the
part inside its box is computed, with torch's own interpolation weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.rle import encode_runs
from samfleet.masks.runs import Runs, pack_columns
from samfleet_models.networks.yolo.detections import Detections
from samfleet_models.postprocess.masks import EncodedMasks
from samfleet_models.postprocess.threshold import MASK_THRESHOLD
from samfleet_models.postprocess.upsample import Taps, resizing_taps

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects of one image, best first: scores and `masks`, whose `source` is the row in the detections."""

    masks: EncodedMasks
    scores: NDArray[np.float32]
    size: tuple[int, int]  # height and width of the image

    def __len__(self) -> int:
        return len(self.masks.counts)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a mask inside its box: `logits` [h, w], whose top left pixel is at `corner` (x, y)."""

    corner: tuple[int, int]
    logits: Floats

    def stability(self, offset: float) -> float:
        """Compute `samfleet_models.postprocess.threshold.stability_scores` within the box."""
        low = np.count_nonzero(self.logits > MASK_THRESHOLD - offset)
        return np.count_nonzero(self.logits > MASK_THRESHOLD + offset) / low if low else 0.0

    def runs(self, size: tuple[int, int]) -> Runs:
        """Return the runs of the mask in an image of `size`."""
        height, width = self.logits.shape
        columns = np.ascontiguousarray((self.logits > MASK_THRESHOLD).T)[None]
        return Runs.of_bits(pack_columns(columns), (height, width)).placed(self.corner, size)


def draw_instances(
    found: Detections, prototypes: Tensor, size: tuple[int, int], stability: tuple[float, float | None]
) -> Instances:
    """Return the masks of detections whose boxes are in pixels of an image of `size` (height, width).

    `prototypes` are [C, h, w]. `stability` is the offset of the stability score and the lowest score that passes, None
    for all.
    """
    offset, least = stability
    pixels = _without_padding(prototypes, size)
    mixed: Floats = (found.coefficients @ pixels.float().flatten(1)).view(-1, *pixels.shape[1:]).cpu().numpy()
    taps = [resizing_taps(inner, outer, "bilinear") for inner, outer in zip(pixels.shape[1:], size, strict=True)]
    rows, scores, runs = [], [], []
    for row, logits in enumerate(mixed):
        window = _window(logits, found.boxes[row], taps, size)
        score = window.stability(offset)
        if least is None or score >= least:
            rows.append(row)
            scores.append(score)
            runs.append(window.runs(size) if window.logits.size else _no_runs(size))
    masks = _coded(runs, size, np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32))
    return Instances(masks, found.scores[masks.source], size)


def _without_padding(prototypes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the part of [C, h, w] that shows the image; the padding is cut off in whole cells, rounded down."""
    rows, columns = prototypes.shape[1:]
    gain = min(rows / size[0], columns / size[1])
    top, left = (rows - size[0] * gain) / 2, (columns - size[1] * gain) / 2
    return prototypes[:, int(top) : int(rows - top), int(left) : int(columns - left)]


def _window(logits: Floats, box: Floats, taps: Sequence[Taps], size: tuple[int, int]) -> Window:
    """Cut a window from logits [h, w].

    A box covers the pixels with indices at or after its start and before its end.
    """
    left, top, right, bottom = np.ceil(box).astype(np.int64).clip(0, [*size[::-1], *size[::-1]]).tolist()
    (upper, lower), (above, below) = _cut(taps[0], top, bottom)
    (before, after), (near, far) = _cut(taps[1], left, right)
    first = int(upper.min(initial=len(logits)))
    band = logits[first : int(lower.max(initial=0)) + 1]
    across = band[:, before] * near + band[:, after] * far
    shown: Floats = across[upper - first] * above[:, None] + across[lower - first] * below[:, None]
    return Window((left, top), shown)


def _cut(taps: Taps, start: int, stop: int) -> tuple[NDArray[np.int64], Floats]:
    return taps.indices[:, start:stop], taps.weights[:, start:stop].astype(np.float32)


def _no_runs(size: tuple[int, int]) -> Runs:
    nothing = np.zeros(0, dtype=np.int64)
    return Runs(size, 1, nothing, nothing, nothing)


def _coded(
    parts: Sequence[Runs], size: tuple[int, int], rows: NDArray[np.int64], stability: NDArray[np.float32]
) -> EncodedMasks:
    if not parts:
        return EncodedMasks.joined([])
    runs = Runs(
        size,
        len(parts),
        np.concatenate([own.mask + number for number, own in enumerate(parts)]),
        np.concatenate([own.start for own in parts]),
        np.concatenate([own.stop for own in parts]),
    )
    return EncodedMasks(rows, encode_runs(runs), runs.boxes().astype(np.float32), runs.areas(), stability)
