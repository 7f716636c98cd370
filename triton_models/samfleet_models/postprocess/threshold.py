"""Turns logits into packed masks: stability first, then pixels only for the masks that pass.

Values near a threshold are decided by the arithmetic of `upscale`, all others by the faster canvas. Every bit and every
count is therefore equal to that of `upscale`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.runs import packed_bytes
from samfleet_kernels.library import chosen
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.device.transfers import Crossing, begin_to_host, to_device
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.banded_upsample import Canvas, Floats
from samfleet_models.postprocess.fused_sketch import FusedSketcher
from samfleet_models.postprocess.sketch import UNSURE_PIXELS, Sketch, Thresholds, fails
from samfleet_models.postprocess.upsample import pixel_logits, pixelwise, upscale

MASK_THRESHOLD = 0.0
BYTES_PER_PIXEL = 13  # of a full-size mask: float32, bools, their transposed and padded copies, products
DENSE_BYTES = {"cpu": 128 * 2**20, "cuda": 2 * 2**30}
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The masks that passed: rows in the logits, bits [n, packed_bytes] uint8 by columns, and stability."""

    rows: NDArray[np.int64]
    bits: NDArray[np.uint8]
    stability: NDArray[np.float32]

    def part(self, rows: slice) -> Drawn:
        return Drawn(self.rows[rows], self.bits[rows], self.stability[rows])

    @classmethod
    def joined(cls, parts: list[Drawn]) -> Drawn:
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.bits for part in parts]),
            np.concatenate([part.stability for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class DrawnOnDevice:
    """Like `Drawn`, but bits (uint8 [n, packed_bytes]) and stability may still be on their way from the device."""

    rows: NDArray[np.int64]
    bits: Crossing
    stability: Crossing

    def landed(self) -> Drawn:
        """Wait for the copies. Any thread may call it."""
        bits: NDArray[np.uint8] = self.bits.landed().numpy()
        return Drawn(self.rows, bits, self.stability.landed().numpy())


def draw(low_res: Tensor, frame: ImageFrame, offset: float, least: float | None) -> Drawn:
    """Return the masks of float32 logits [n, S/4, S/4] with a stability score of at least `least`; None passes all."""
    if low_res.device.type == "cpu" and pixelwise(low_res, frame):
        return _draw_banded(low_res, frame, offset, least)
    return draw_whole(low_res, frame, offset, least)


def draw_whole(low_res: Tensor, frame: ImageFrame, offset: float, least: float | None) -> Drawn:
    """Draw with `upscale` only."""
    height, width = frame.original
    nothing = Drawn(
        np.zeros(0, np.int64), np.zeros((0, packed_bytes(height * width)), np.uint8), np.zeros(0, np.float32)
    )
    return Drawn.joined([nothing, *(part.landed() for part in draw_parts(low_res, frame, offset, least))])


def draw_parts(low_res: Tensor, frame: ImageFrame, offset: float, least: float | None) -> Iterator[DrawnOnDevice]:
    """Draw with `upscale` only, a bounded number at a time, fewer when memory runs out; only bits leave the device.

    Logits of any type are converted to float32. A part is yielded while its bits are still being copied.
    """
    height, width = frame.original
    per_mask = 4 * frame.input_size**2 + BYTES_PER_PIXEL * height * width
    size = max(1, DENSE_BYTES[low_res.device.type] // per_mask)
    if low_res.device.type == "cuda" and least is not None and len(low_res) > size:
        yield from _draw_passing(low_res, frame, offset, least, size)
        return

    def drawn(rows: slice) -> DrawnOnDevice:
        part = _drawn_together(low_res[rows].float(), frame, offset, least)
        return DrawnOnDevice(part.rows + rows.start, part.bits, part.stability)

    yield from _by_memory(drawn, len(low_res), size, low_res.device)


def _draw_passing(
    low_res: Tensor, frame: ImageFrame, offset: float, least: float, size: int
) -> Iterator[DrawnOnDevice]:
    """Draw more masks than fit into memory together, after one wait for the scores of all.

    Scores of each part alone would make the host wait once per part: hundreds of times for a large image. The masks
    that pass are interpolated a second time.
    """

    def scores(rows: slice) -> Tensor:
        return stability_scores(upscale(low_res[rows].float(), frame), offset)

    stability = torch.cat(list(_by_memory(scores, len(low_res), size, low_res.device))).cpu()
    passed = (stability >= least).nonzero()[:, 0]
    on_device = to_device(passed, low_res.device)

    def drawn(part: slice) -> DrawnOnDevice:
        above = upscale(low_res[on_device[part]].float(), frame) > MASK_THRESHOLD
        rows = passed[part]
        return DrawnOnDevice(rows.numpy(), begin_to_host(_packed(above)), Crossing(stability[rows]))

    yield from _by_memory(drawn, len(passed), size, low_res.device)


def _by_memory(work: Callable[[slice], Part], count: int, size: int, device: torch.device) -> Iterator[Part]:
    """Yield `work` of `size` masks after `size` masks, half as many whenever memory runs out.

    Raises the allocator's error if a single mask does not fit. The caller must free memory then.
    """
    start = 0
    while start < count:
        rows = slice(start, min(start + size, count))
        if rows.stop - start == 1:
            done: Part | NotEnoughMemory = work(rows)
        else:
            done = attempt(lambda rows=rows: work(rows))  # type: ignore[misc]  # bound now, because the loop continues
        if isinstance(done, NotEnoughMemory):
            size = (rows.stop - start) // 2
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield done
        start = rows.stop


def _drawn_together(low_res: Tensor, frame: ImageFrame, offset: float, least: float | None) -> DrawnOnDevice:
    """Draw a part. Given `least`, the host waits for the scores, which determine the number of packed masks."""
    logits = upscale(low_res, frame)
    scores = begin_to_host(stability_scores(logits, offset))
    rows = np.arange(len(low_res))
    if least is not None:
        rows = np.flatnonzero((scores.landed() >= least).numpy())
        scores = Crossing(scores.landed()[torch.from_numpy(rows)])
    above = logits > MASK_THRESHOLD
    del logits
    if len(rows) < len(above):
        above = above[to_device(torch.from_numpy(rows), above.device)]
    return DrawnOnDevice(rows, begin_to_host(_packed(above)), scores)


def stability_scores(logits: Tensor, offset: float) -> Tensor:
    """Return per mask of [n, h, w]: pixels above the threshold + offset, over pixels above the threshold - offset.

    The score is 0 if neither has any, where the official code returns NaN.
    """
    high = (logits > MASK_THRESHOLD + offset).sum((-2, -1), dtype=torch.int32)
    low = (logits > MASK_THRESHOLD - offset).sum((-2, -1), dtype=torch.int32)
    return scores_of(high, low)


def scores_of(high: Tensor, low: Tensor) -> Tensor:
    """Return the stability scores of int32 counts of pixels."""
    return (high / low).nan_to_num(0.0)


def _packed(masks: Tensor) -> Tensor:
    """Return [n, packed_bytes] uint8 of bool [n, h, w], packed on the device, so that one eighth is copied."""
    count, height, width = masks.shape
    columns = masks.new_zeros(count, packed_bytes(height * width) * 8)
    columns[:, : height * width] = masks.transpose(1, 2).reshape(count, height * width)
    places = to_device(torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8), masks.device)
    return (columns.view(count, packed_bytes(height * width), 8) * places).sum(2, dtype=torch.uint8)


def _draw_banded(low_res: Tensor, frame: ImageFrame, offset: float, least: float | None) -> Drawn:
    """Draw with as many threads as torch has, a whole mask in each; no step of a mask is worth splitting over cores."""
    thresholds = (MASK_THRESHOLD + offset, MASK_THRESHOLD - offset, MASK_THRESHOLD)
    logits = low_res.numpy()
    next_rows = iter(range(len(low_res)))  # shared: each thread takes the next row

    def sketches() -> list[Sketch | int]:
        sketch = _sketcher(logits, frame)
        return [found for row in next_rows if (found := sketch(row, thresholds, least)) is not None]

    threads = min(torch.get_num_threads(), len(low_res))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = [part for job in [pool.submit(sketches) for _ in range(threads)] for part in job.result()]
    parts = [_settled([part for part in found if isinstance(part, Sketch)], low_res, frame, thresholds, least)]
    for row in (part for part in found if isinstance(part, int)):
        exact = draw_whole(low_res[row : row + 1], frame, offset, least)
        parts.append(Drawn(exact.rows + row, exact.bits, exact.stability))
    drawn = Drawn.joined(parts)
    order = np.argsort(drawn.rows)
    return Drawn(drawn.rows[order], drawn.bits[order], drawn.stability[order])


def _sketcher(logits: Floats, frame: ImageFrame) -> Callable[[int, Thresholds, float | None], Sketch | int | None]:
    """Return a function for one thread that sketches a row of `logits`, by the kernels that this process uses."""
    kernels = chosen()
    return FusedSketcher(logits, frame, kernels).sketch if kernels else partial(_sketch, Canvas(logits, frame))


def _may_pass(canvas: Canvas, thresholds: Thresholds, least: float | None) -> bool:
    """Test whether the current mask can pass, with all unsure pixels counted in its favour."""
    if least is None:
        return True
    high, low, slack = 0, 0, canvas.tolerance
    for columns in canvas.bands:
        band = canvas.band(columns)
        high += np.count_nonzero(canvas.above(band, thresholds[0] - slack))
        low += np.count_nonzero(canvas.above(band, thresholds[1] + slack))
    return not fails(high, low, least)


def _sketch(canvas: Canvas, row: int, thresholds: Thresholds, least: float | None) -> Sketch | int | None:
    """Return the sketch of a mask, None if it cannot pass, or its row if too many pixels are unsure."""
    canvas.begin(row)
    if not np.isfinite(canvas.tolerance):
        return row
    if not _may_pass(canvas, thresholds, least):
        return None
    height, width = canvas.size
    bits = np.zeros(packed_bytes(height * width), dtype=np.uint8)
    counts = np.zeros(len(thresholds), dtype=np.int64)
    unsure = [np.zeros((3, 0), dtype=np.int64)]
    for columns in canvas.bands:
        band = canvas.band(columns)
        for number, threshold in enumerate(thresholds):
            possible = np.count_nonzero(canvas.above(band, threshold - canvas.tolerance))
            sure = canvas.above(band, threshold + canvas.tolerance)
            counts[number] += (certain := np.count_nonzero(sure))
            if possible > certain:
                pixels = np.flatnonzero((band > np.float32(threshold - canvas.tolerance)) & ~sure)
                x, y = np.divmod(pixels, height)
                unsure.append(np.stack([np.full(len(x), number), x + columns.start, y]))
        packed = np.packbits(sure)
        bits[columns.start * height // 8 :][: len(packed)] = packed
        if sum(part.shape[1] for part in unsure) > UNSURE_PIXELS:
            return row
    return Sketch(row, counts, bits, np.concatenate(unsure, axis=1))


def _settled(
    sketches: list[Sketch], low_res: Tensor, frame: ImageFrame, thresholds: Thresholds, least: float | None
) -> Drawn:
    """Return the sketches that pass, after deciding their unsure pixels."""
    height, width = frame.original
    rows = np.array([sketch.row for sketch in sketches], dtype=np.int64)
    bits = np.stack([np.zeros(packed_bytes(height * width), dtype=np.uint8), *(sketch.bits for sketch in sketches)])[1:]
    counts = np.stack([np.zeros(len(thresholds), dtype=np.int64), *(sketch.counts for sketch in sketches)])[1:]
    unsure = np.concatenate([np.zeros((3, 0), dtype=np.int64), *(sketch.unsure for sketch in sketches)], axis=1)
    number, x, y = unsure
    owner = np.repeat(np.arange(len(sketches)), [sketch.unsure.shape[1] for sketch in sketches])
    logits = pixel_logits(low_res, frame, rows[owner], y, x).numpy()
    above = logits > np.array(thresholds, dtype=np.float32)[number]
    np.add.at(counts, (owner[above], number[above]), 1)
    in_mask = above & (number == len(thresholds) - 1)
    pixel = (x * height + y)[in_mask]
    np.bitwise_or.at(bits, (owner[in_mask], pixel // 8), (128 >> pixel % 8).astype(np.uint8))
    high, low, _ = torch.from_numpy(counts.astype(np.int32)).unbind(1)
    stability = scores_of(high, low)
    passed = (stability >= least if least is not None else torch.ones_like(stability, dtype=torch.bool)).numpy()
    return Drawn(rows[passed], bits[passed], stability.numpy()[passed])
