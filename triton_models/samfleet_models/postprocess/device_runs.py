"""Runs of masks on a GPU by the kernels of `samfleet_models.gpu_kernels.masks`: two launches and one wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.runs import Runs
from samfleet_kernels.library import choice
from samfleet_models.device.transfers import Crossing, begin_to_host, to_device
from samfleet_models.gpu_kernels.axis_table import AxisTable
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.tap_tables import upscaling_table
from samfleet_models.postprocess.threshold import MASK_THRESHOLD, scores_of
from samfleet_models.postprocess.upsample import last_step

ENDS_AT_A_TIME = 2**22  # run ends copied and encoded together, unless one mask has more: 16 MiB


@dataclass(frozen=True, slots=True)
class DrawnRuns:
    """The masks that passed: rows in the logits, runs and stability."""

    rows: NDArray[np.int64]
    runs: Runs
    stability: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RunsOnDevice:
    """Like `DrawnRuns`, but the run ends are still being copied from the device; `counts` [k] has each mask's number.

    `size` is the masks' (height, width).
    """

    rows: NDArray[np.int64]
    ends: Crossing
    counts: NDArray[np.int64]
    size: tuple[int, int]
    stability: NDArray[np.float32]

    def landed(self) -> DrawnRuns:
        """Wait for the run ends. Any thread may call it."""
        ends = self.ends.landed().numpy().astype(np.int64)
        mask = np.repeat(np.arange(len(self.rows)), self.counts // 2)
        return DrawnRuns(self.rows, Runs(self.size, len(self.rows), mask, ends[::2], ends[1::2]), self.stability)


def applies(low_res: Tensor, frame: ImageFrame) -> bool:
    """Test whether this process draws the masks of these logits with the kernels.

    They are bilinear, and the kernels chosen by `SAMFLEET_KERNELS=triton`: `prepare_device` checks that they can be.
    """
    if low_res.device.type != "cuda" or choice() != "triton":
        return False
    return last_step(low_res.shape[1:], frame)[1] == "bilinear"


class CountedMasks:
    """Masks of logits [n, h, w] of any float type whose pixels and run ends the device is counting.

    Memory: 4 bytes per column of a mask. The run ends of `ENDS_AT_A_TIME` come on top while they are copied.
    """

    def __init__(self, low_res: Tensor, frame: ImageFrame, offset: float) -> None:
        """Queue the counting; nothing waits."""
        self._kernels, self._low_res, self._size = _module(), low_res.contiguous(), frame.original
        self._y, self._x = (self._axis(frame, axis) for axis in (0, 1))
        thresholds = (MASK_THRESHOLD + offset, MASK_THRESHOLD - offset)
        sums, self._edges = self._kernels.count(self._low_res, self._y, self._x, thresholds)
        ends = self._edges.sum(1, keepdim=True, dtype=torch.int32)
        self._counts = begin_to_host(torch.cat([sums, ends], 1))

    def _axis(self, frame: ImageFrame, axis: int) -> AxisTable:
        index, weight = upscaling_table(self._low_res.shape[1:], frame, axis)
        device = self._low_res.device
        return AxisTable(*(to_device(torch.from_numpy(part), device) for part in (index, weight)))

    def write(self, least: float | None) -> Iterator[RunsOnDevice]:
        """Wait for the counts, then yield the masks with a stability score of at least `least`; None passes all.

        Parts are yielded while their run ends are still being copied.
        """
        high, low, ends = self._counts.landed().unbind(1)
        stability = scores_of(high, low)
        passed = (stability >= least).nonzero()[:, 0] if least is not None else torch.arange(len(stability))
        counts = ends[passed].numpy().astype(np.int64)
        rows = to_device(passed, self._low_res.device)
        for part in _parts(counts):
            total = int(counts[part].sum())
            written = self._kernels.write(self._low_res, self._y, self._x, rows[part], self._edges, total)
            own = passed[part]
            yield RunsOnDevice(own.numpy(), begin_to_host(written), counts[part], self._size, stability[own].numpy())


def _parts(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Cut masks with `counts` run ends into parts of at most `ENDS_AT_A_TIME`, or of one mask."""
    start = 0
    while start < len(counts):
        fitting = int(np.searchsorted(np.cumsum(counts[start:]), ENDS_AT_A_TIME, side="right"))
        stop = start + max(1, fitting)
        yield slice(start, stop)
        start = stop


def _module() -> ModuleType:
    from samfleet_models.gpu_kernels import masks  # needs the package triton

    return masks
