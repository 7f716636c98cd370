"""Looks up single pixels in masks without drawing the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet_models.device.transfers import to_device
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.upsample import upscaling_taps

Pixels = NDArray[np.int64]
VALUES_AT_A_TIME = 2**22  # values looked up together: 16 MiB


@dataclass(frozen=True, slots=True)
class Probe:
    """Tests which `pixels` [n, 2] (x, y) of a crop have a logit above `threshold` in any mask.

    TinySAM's `high_score_thresh` (tinysam/hierarchical_mask_generator.py) tests whole masks at full size. Here only the
    columns and rows of the pixels are interpolated, so values may differ in the last bits.
    """

    pixels: Pixels
    threshold: float

    def sure(self, low_res: Tensor, frame: ImageFrame) -> NDArray[np.bool_]:
        """Return [n] bool: the pixels that any of the masks with logits `low_res` [m, S/4, S/4] is sure of."""
        xs, column = np.unique(self.pixels[:, 0], return_inverse=True)
        ys, row = np.unique(self.pixels[:, 1], return_inverse=True)
        height, width = low_res.shape[1:]
        across = to_device(_weights((height, width), frame, 1, xs), low_res.device)
        down = to_device(_weights((height, width), frame, 0, ys), low_res.device)
        found = torch.zeros(len(ys), len(xs), dtype=torch.bool, device=low_res.device)
        for masks in torch.split(low_res, max(1, VALUES_AT_A_TIME // (height * width))):
            logits = down @ masks.float() @ across.T  # [masks, ys, xs]
            found |= (logits > self.threshold).any(0)
        sure: NDArray[np.bool_] = found.cpu().numpy()[row, column]
        return sure


def _weights(low: tuple[int, int], frame: ImageFrame, axis: int, places: Pixels) -> Tensor:
    """Return [places, low] float32: the weight of each of the `low` logits along an axis in the pixels at `places`."""
    taps = upscaling_taps(low, frame, axis)
    weights = np.zeros((len(places), low[axis]), dtype=np.float32)
    for indices, parts in zip(taps.indices[:, places], taps.weights[:, places], strict=True):
        np.add.at(weights, (np.arange(len(places)), indices), parts.astype(np.float32))
    return torch.from_numpy(weights)
