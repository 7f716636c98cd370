"""Turns the decoder's low-resolution logits into full-resolution masks.

Each mask has its stability, box, area and run-length code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.rle import encode_runs
from samfleet.masks.runs import Runs, packed_bytes, pieces
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.device_runs import CountedMasks, RunsOnDevice, applies
from samfleet_models.postprocess.threshold import Drawn, draw, draw_parts

BITS_AT_A_TIME = 8 * 2**20  # bytes of packed masks between drawing and coding on a CPU
PARTS_AT_A_TIME = 2  # mask batches between drawing on a GPU and coding
EDGE_TOLERANCE = 20.0  # pixels; is_box_near_crop_edge of segment_anything/utils/amg.py


@dataclass(frozen=True, slots=True)
class Selection:
    """The criteria of masks to keep. `stability_thresh` None keeps all.

    `stability_offset` is used for the score in any case.
    """

    stability_offset: float = 1.0
    stability_thresh: float | None = None
    drop_cut_by_crop: bool = False


@dataclass(frozen=True, slots=True)
class CropPlacement:
    """The position of a frame's masks in the whole image: the crop (x0, y0, x1, y1) and the image's (height, width)."""

    crop: tuple[int, int, int, int]
    image: tuple[int, int]

    @classmethod
    def whole(cls, height: int, width: int) -> CropPlacement:
        return cls((0, 0, width, height), (height, width))


@dataclass(frozen=True, slots=True)
class EncodedMasks:
    """Masks in the whole image's pixels, in the order of their logits.

    `source` is each mask's row in the logits, `boxes` (x0, y0, x1, y1) with inclusive maxima, zeros for an empty mask.
    """

    source: NDArray[np.int64]
    counts: list[str]
    boxes: NDArray[np.float32]
    areas: NDArray[np.int64]
    stability: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> EncodedMasks:
        return EncodedMasks(
            source=self.source[rows],
            counts=[self.counts[row] for row in rows],
            boxes=self.boxes[rows],
            areas=self.areas[rows],
            stability=self.stability[rows],
        )

    @classmethod
    def joined(cls, parts: list[EncodedMasks]) -> EncodedMasks:
        return cls(
            source=np.concatenate([np.zeros(0, np.int64), *(part.source for part in parts)]),
            counts=[counts for part in parts for counts in part.counts],
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(part.boxes for part in parts)]),
            areas=np.concatenate([np.zeros(0, np.int64), *(part.areas for part in parts)]),
            stability=np.concatenate([np.zeros(0, np.float32), *(part.stability for part in parts)]),
        )


class MaskEncoder:
    """Encodes masks in a thread while a GPU draws the next ones; at most two parts wait in memory."""

    def __init__(self, device: torch.device) -> None:
        # The thread waits for events of this GPU; without the initializer it would open a context on the first GPU.
        prepare = partial(torch.cuda.set_device, device) if device.type == "cuda" else None
        self._pool = ThreadPoolExecutor(1, "coding", prepare)
        self._waiting: deque[Future[EncodedMasks]] = deque(maxlen=PARTS_AT_A_TIME)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, coded: Callable[[], EncodedMasks]) -> Future[EncodedMasks]:
        if len(self._waiting) == PARTS_AT_A_TIME:
            wait([self._waiting[0]])
        self._waiting.append(self._pool.submit(coded))
        return self._waiting[-1]


Encoded = Callable[[], EncodedMasks]


def encode_masks(low_res: Tensor, frame: ImageFrame, placement: CropPlacement, selection: Selection) -> EncodedMasks:
    """Return the masks of `low_res` logits [n, S/4, S/4], without keeping logits at full resolution."""
    with MaskEncoder(low_res.device) as coder:
        return begin_encoding(low_res, frame, placement, selection, coder)()()


def begin_encoding(
    low_res: Tensor, frame: ImageFrame, placement: CropPlacement, selection: Selection, coder: MaskEncoder
) -> Callable[[], Encoded]:
    """Return a callable that draws the masks and returns a callable that returns the result of `encode_masks`.

    On a GPU with kernels the masks are only being counted when this returns. Call the first callable for all images
    before the second of any: `coder` encodes the masks of the first image while the GPU draws the next ones. Without
    kernels the masks are drawn already; on a CPU everything is done.
    """
    offset, least = selection.stability_offset, selection.stability_thresh

    def coded(part: Drawn, start: int = 0) -> EncodedMasks:
        return EncodedMasks.joined(
            [_coded(part.part(piece), start, frame, placement, selection) for piece in pieces(part.bits)]
        )

    if len(low_res) and applies(low_res, frame):
        counted = CountedMasks(low_res, frame, offset)

        def coded_runs(part: RunsOnDevice) -> EncodedMasks:
            drawn = part.landed()
            return _coded_runs(drawn.rows, drawn.runs, drawn.stability, placement, selection)

        return lambda: _submitted(coder, (partial(coded_runs, part) for part in counted.write(least)))
    if low_res.device.type != "cpu":
        drawn = _submitted(
            coder,
            (
                (lambda part=part: coded(part.landed()))  # type: ignore[misc]  # bound now, because the loop continues
                for part in draw_parts(low_res, frame, offset, least)
            ),
        )
        return lambda: drawn
    height, width = frame.original
    size = max(1, BITS_AT_A_TIME // packed_bytes(height * width))
    starts = range(0, len(low_res), size)
    read = EncodedMasks.joined(
        [coded(draw(low_res[start : start + size].float(), frame, offset, least), start) for start in starts]
    )
    return lambda: lambda: read


def _submitted(coder: MaskEncoder, coding: Iterable[Encoded]) -> Encoded:
    jobs = [coder.submit(code) for code in coding]
    return lambda: EncodedMasks.joined([job.result() for job in jobs])


def mask_boxes(masks: Tensor) -> Tensor:
    """Return the boxes [n, 4] int64 (x0, y0, x1, y1), inclusive, of bool masks [n, h, w]; zeros for an empty mask."""
    rows, columns = masks.any(2).byte(), masks.any(1).byte()
    ends = [
        columns.argmax(1),
        rows.argmax(1),
        columns.shape[1] - 1 - columns.flip(1).argmax(1),
        rows.shape[1] - 1 - rows.flip(1).argmax(1),
    ]
    return torch.stack(ends, dim=1) * rows.any(1, keepdim=True)


def cut_by_crop(boxes: NDArray[np.float32], placement: CropPlacement) -> NDArray[np.bool_]:
    """Mark boxes (whole image) that touch an edge of the crop inside the image: objects that the crop cuts in two."""
    height, width = placement.image
    image = np.array([0, 0, width, height], dtype=np.float32)
    crop = np.array(placement.crop, dtype=np.float32)
    near_crop, near_image = (np.abs(boxes - edges) <= EDGE_TOLERANCE for edges in (crop, image))
    return np.asarray((near_crop & ~near_image).any(axis=1))


def _coded(drawn: Drawn, start: int, frame: ImageFrame, placement: CropPlacement, selection: Selection) -> EncodedMasks:
    runs = Runs.of_bits(drawn.bits, frame.original)
    return _coded_runs(drawn.rows + start, runs, drawn.stability, placement, selection)


def _coded_runs(
    rows: NDArray[np.int64],
    runs: Runs,
    stability: NDArray[np.float32],
    placement: CropPlacement,
    selection: Selection,
) -> EncodedMasks:
    x0, y0, _, _ = placement.crop
    boxes = runs.boxes().astype(np.float32) + np.array([x0, y0, x0, y0], dtype=np.float32)
    uncut = ~cut_by_crop(boxes, placement) if selection.drop_cut_by_crop else np.ones(len(boxes), dtype=bool)
    runs = runs.take(uncut).placed((x0, y0), placement.image)
    return EncodedMasks(
        source=rows[uncut],
        counts=encode_runs(runs),
        boxes=boxes[uncut],
        areas=runs.areas(),
        stability=stability[uncut],
    )
