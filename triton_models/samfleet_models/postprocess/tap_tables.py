"""The taps of torch's bilinear `interpolate` with the roundings of its kernels, for kernels that repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.upsample import last_step

Table = tuple[NDArray[np.int32], NDArray[np.float32]]


@lru_cache(maxsize=32)
def bilinear_table(inputs: int, outputs: int) -> Table:
    """Return the two inputs [2, n] of each output and their weights [2, n] float32, as torch computes them.

    The source of an output is one fused operation in float32. `resizing_taps` merges the taps at the edge, where both
    are the last input; here they stay apart, because their products are rounded apart.
    """
    scale = np.float64(np.float32(inputs) / np.float32(outputs))
    fused = scale * (np.arange(outputs, dtype=np.float64) + 0.5) - 0.5  # exact up to the one rounding below
    source = np.maximum(fused.astype(np.float32), np.float32(0))
    first = np.minimum(source.astype(np.int32), inputs - 1)
    second = np.minimum(first + 1, inputs - 1)
    beyond: NDArray[np.float32] = np.clip(source - first.astype(np.float32), np.float32(0), np.float32(1))
    return np.stack([first, second]), np.stack([np.float32(1) - beyond, beyond])


def upscaling_table(low: Sequence[int], frame: ImageFrame, axis: int) -> Table:
    """Return one axis (0: y, 1: x) of a bilinear `upscale` of logits of the size `low`, in one step or two.

    Two steps have `index` [4, n] and `weight` [6, n]: those of the first step for both inputs of the second, then the
    weights of the second (`samfleet_models.gpu_kernels.axis_table.AxisTable`).
    """
    inside, _ = last_step(low, frame)
    index, weight = bilinear_table(inside[axis], frame.original[axis])
    if frame.upsampling != "through_frame":
        return index, weight
    inner_index, inner_weight = bilinear_table(low[axis], frame.input_size)
    left, right = index
    # numpy stores chosen columns one after the other, and the kernels read rows.
    inner_index = np.concatenate([inner_index[:, left], inner_index[:, right]])
    inner_weight = np.concatenate([inner_weight[:, left], inner_weight[:, right], weight])
    return np.ascontiguousarray(inner_index), np.ascontiguousarray(inner_weight)
