"""Launches the sweeps that turn low-resolution logits into the runs of masks, without logits of full size."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from samfleet_models.gpu_kernels.axis_table import AxisTable
from samfleet_models.gpu_kernels.mask_sweeps import count_kernel, write_kernel

STEP = 32  # rows at a time: the bits of one word per column
BLOCK = 32  # columns of a program; with 64, ptxas gives `write_kernel` all 255 registers of a thread


def count(low_res: Tensor, y: AxisTable, x: AxisTable, thresholds: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return int32 counts of n masks: pixels above both `thresholds` [n, 2], and run ends per column [n, width].

    `low_res` [n, h, w] are logits of any float type, rows contiguous. A run end is a pixel (above 0 or not) that
    differs from the one before it down the columns; before the first pixel is background. Nothing waits.
    """
    masks, blocks = len(low_res), triton.cdiv(x.outputs, BLOCK)
    sums = torch.empty(masks, blocks, 2, dtype=torch.int32, device=low_res.device)
    edges = torch.empty(masks, x.outputs, dtype=torch.int32, device=low_res.device)
    count_kernel[(masks, blocks)](
        *_inputs(low_res, y, x), sums, edges, y.outputs, x.outputs, *thresholds, **_options(low_res, y)
    )
    return sums.sum(1, dtype=torch.int32), edges


def write(low_res: Tensor, y: AxisTable, x: AxisTable, rows: Tensor, edges: Tensor, total: int) -> Tensor:
    """Return the run ends of the masks `rows` [k] int64, mask after mask, int32 [total], ascending in each mask.

    `edges` are those that `count` returned, for all masks, and `total` the sum of those of `rows`, below 2**31. Even
    ones start a run and odd ones stop it, exclusive. Nothing waits.
    """
    ends = torch.empty(total, dtype=torch.int32, device=low_res.device)
    own = edges[rows]
    offsets = own.flatten().cumsum(0).view_as(own) - own
    write_kernel[(len(rows), triton.cdiv(x.outputs, BLOCK))](
        *_inputs(low_res, y, x), rows, offsets, ends, y.outputs, x.outputs, **_options(low_res, y)
    )
    return ends


def _inputs(low_res: Tensor, y: AxisTable, x: AxisTable) -> tuple[Any, ...]:
    return low_res, low_res.stride(0), low_res.stride(1), y.index, y.weight, x.index, x.weight


def _options(low_res: Tensor, y: AxisTable) -> dict[str, Any]:
    emulated = not low_res.is_cuda  # CPU tensors are for Triton's interpreter
    return {"STEP": STEP, "BLOCK": BLOCK, "TWO_STEPS": y.two_steps, "EMULATED": emulated}
