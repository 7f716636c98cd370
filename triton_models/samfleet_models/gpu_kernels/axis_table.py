"""The taps of an interpolation on a device, as the mask kernels read them. Needs no Triton."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

INNER_TAPS = 4  # rows of `AxisTable.index` for two steps


@dataclass(frozen=True, slots=True)
class AxisTable:
    """One axis of an interpolation on a device, for n outputs.

    In one step, output i is the mix of the inputs `index` [2, n] int32 by `weight` [2, n] float32. In two steps it is
    the mix, by the last two of `weight` [6, n], of two inner values, which mix two inputs each of `index` [4, n].
    """

    index: Tensor
    weight: Tensor

    @property
    def outputs(self) -> int:
        return int(self.index.shape[1])

    @property
    def two_steps(self) -> bool:
        return len(self.index) == INNER_TAPS
