"""Upsamples one mask after another to full resolution, a band of columns at a time, in reused memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.upsample import OVERSHOOT, Taps, cropped_size, last_step, upscaling_taps

Floats = NDArray[np.float32]
BAND_FLOATS = 2**19  # 2 MiB, a part of the last-level cache; a mask of 640x480 is one band, so it is drawn once
SERIAL_PRODUCT = 2**18  # multiplications; OpenBLAS starts no threads for smaller matrix products
ROUNDINGS = 20  # at most 8 of `upscale`, 8 here and 2 of the weights, each half a unit in the last place; 2 to spare
UNIT = 2.0**-24  # relative error of one float32 operation


def interpolation_error(low: Sequence[int], frame: ImageFrame) -> float:
    """Return by how much `upscale` and merged taps in float32 may differ, relative to the largest absolute logit.

    `low` is the size of the logits.
    """
    return ROUNDINGS * UNIT * OVERSHOOT[last_step(low, frame)[1]] ** 2


class Canvas:
    """Draws `upscale` of single masks, transposed. All interpolation steps are merged into one, so roundings differ.

    Every value is within `tolerance` of the exact one, for the current mask. Each axis is a product with a banded
    matrix, cut into small dense blocks: down the columns first, which also transposes, then along the rows.
    """

    def __init__(self, low_res: Floats, frame: ImageFrame) -> None:
        height, width = frame.original
        low = low_res.shape[1:]
        low_height, low_width = cropped_size(low, frame) if frame.upsampling == "cropped" else low
        self.size = frame.original
        self.tolerance = 0.0
        self._error = interpolation_error(low, frame)
        self._low_res = low_res[:, :low_height, :low_width]
        self._y = Strips(upscaling_taps(low, frame, 0), low_height, low_width)
        self._x = Strips(upscaling_taps(low, frame, 1), low_width, height)
        self._lying = np.empty((low_width, len(self._y), self._y.outputs), dtype=np.float32)
        strips = min(max(1, BAND_FLOATS // (height * self._x.outputs)), len(self._x))
        self._band = np.empty((strips, self._x.outputs, height), dtype=np.float32)
        columns = strips * self._x.outputs
        self._flags = np.empty((columns, height), dtype=np.bool_)
        self.bands = [slice(start, min(start + columns, width)) for start in range(0, width, columns)]
        self._drawn: slice | None = None

    def begin(self, mask: int) -> None:
        """Start row `mask` of the logits. A mask with infinities or NaN has no finite tolerance and cannot be drawn."""
        rows = self._low_res[mask]
        self.tolerance = self._error * max(float(rows.max()), -float(rows.min()))
        if not np.isfinite(self.tolerance):
            return
        strips = slice(0, len(self._y))
        np.matmul(
            self._y.gathered(rows, strips).transpose(0, 2, 1),
            self._y.weights.transpose(0, 2, 1),
            out=self._lying.transpose(1, 0, 2),
        )
        self._drawn = None

    def band(self, columns: slice) -> Floats:
        """Return [columns, height] of the current mask. The next band overwrites it; the band drawn last is cached."""
        height = self.size[0]
        if self._drawn != columns:
            strips = slice(columns.start // self._x.outputs, -(-columns.stop // self._x.outputs))
            rows = self._lying.reshape(len(self._lying), -1)[:, :height]
            weights = self._x.weights[strips]
            np.matmul(weights, self._x.gathered(rows, strips), out=self._band[: len(weights)])
            self._drawn = columns
        return self._band.reshape(-1, height)[: columns.stop - columns.start]

    def above(self, band: Floats, threshold: float) -> NDArray[np.bool_]:
        """Mark the band's pixels above `threshold`; the next call overwrites the result."""
        flags = self._flags[: len(band)]
        np.greater(band, np.float32(threshold), out=flags)
        return flags


class Strips:
    """A banded matrix as dense blocks of equal size: `outputs` rows each, and the few inputs that they depend on.

    `weights` are [strips, outputs, inputs]; rows after the last are zeros. `outputs` is a multiple of 8, so the bits of
    a strip fill whole bytes.
    """

    def __init__(self, taps: Taps, inputs: int, row_length: int) -> None:
        total = taps.indices.shape[1]
        for outputs in (64, 56, 48, 40, 32, 24, 16, 8):
            starts = taps.indices[0, ::outputs]
            reach = taps.indices[-1, np.minimum(np.arange(len(starts)) * outputs + outputs, total) - 1] - starts + 1
            if outputs * int(reach.max()) * row_length <= SERIAL_PRODUCT:
                break
        self.outputs = outputs
        window = int(reach.max())
        starts = np.minimum(starts, inputs - window)
        self.weights = np.zeros((len(starts), outputs, window), dtype=np.float32)
        places = np.arange(total)
        for indices, weights in zip(taps.indices, taps.weights, strict=True):
            np.add.at(
                self.weights,
                (places // outputs, places % outputs, indices - starts[places // outputs]),
                weights.astype(np.float32),
            )
        self._inputs = starts[:, None] + np.arange(window)

    def __len__(self) -> int:
        return len(self.weights)

    def gathered(self, rows: Floats, strips: slice) -> Floats:
        """Return [strips, inputs, columns] of `rows` [inputs, columns]."""
        gathered: Floats = rows[self._inputs[strips]]
        return gathered
