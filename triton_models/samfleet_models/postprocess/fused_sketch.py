"""Sketches of masks by a compiled kernel: interpolation, comparison, counts and bits in one pass over the pixels.

It decides the same pixels as `samfleet_models.postprocess.banded_upsample.Canvas` does, within the same tolerance.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.runs import packed_bytes
from samfleet_kernels.library import Kernels
from samfleet_kernels.structures import Mask, MaskSizes
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.banded_upsample import Floats, interpolation_error
from samfleet_models.postprocess.sketch import UNSURE_PIXELS, Sketch, Thresholds, fails
from samfleet_models.postprocess.upsample import Taps, cropped_size, upscaling_taps


class FusedSketcher:
    """Sketches masks of float32 `low_res` [n, h, w], contiguous, one after the other in reused memory."""

    def __init__(self, low_res: Floats, frame: ImageFrame, kernels: Kernels) -> None:
        low = low_res.shape[1:]
        low_height, low_width = cropped_size(low, frame) if frame.upsampling == "cropped" else low
        y, x = _Axis(upscaling_taps(low, frame, 0)), _Axis(upscaling_taps(low, frame, 1))
        self._low_res, self._kernels, self._axes = np.ascontiguousarray(low_res), kernels, (y, x)
        self._size, self._error = frame.original, interpolation_error(low, frame)
        self._sizes = MaskSizes(*frame.original, low_height, low_width, low[1], y.taps, x.taps, UNSURE_PIXELS)
        self._memory = np.empty(kernels.mask_floats(self._sizes), dtype=np.float32)
        self._bits: NDArray[np.uint8] | None = None  # of a mask that was dropped, for the next one; zeros behind it

    def sketch(self, row: int, thresholds: Thresholds, least: float | None) -> Sketch | int | None:
        """Return the sketch of a mask, None if it cannot pass, or its row if too many pixels are unsure."""
        y, x = self._axes
        height, width = self._size
        bits = self._bits = np.zeros(packed_bytes(height * width), np.uint8) if self._bits is None else self._bits
        certain, possible = np.zeros((2, len(thresholds)), dtype=np.int64)
        unsure = np.empty((3, UNSURE_PIXELS), dtype=np.int64)
        count = ctypes.c_int64(0)
        arrays = Mask(
            logits=self._low_res[row].ctypes.data,
            y_first=y.first.ctypes.data,
            y_weights=y.weights.ctypes.data,
            x_first=x.first.ctypes.data,
            x_weights=x.weights.ctypes.data,
            thresholds=(ctypes.c_double * 3)(*thresholds),
            error=self._error,
            bits=bits.ctypes.data,
            certain=certain.ctypes.data,
            possible=possible.ctypes.data,
            unsure=unsure.ctypes.data,
            unsure_count=ctypes.addressof(count),
        )
        if not self._kernels.run_mask(self._sizes, arrays, self._memory.ctypes.data):
            return row
        if fails(possible[0], certain[1], least):
            return None
        if count.value > UNSURE_PIXELS:
            return row
        self._bits = None
        return Sketch(row, certain, bits, unsure[:, : count.value].copy())


class _Axis:
    """Taps of one axis as the kernel reads them: the first input of each output, and its weights [n, taps]."""

    def __init__(self, taps: Taps) -> None:
        self.taps = len(taps.indices)
        self.first = np.ascontiguousarray(taps.indices[0], dtype=np.int32)
        self.weights = np.ascontiguousarray(taps.weights.T, dtype=np.float32)
