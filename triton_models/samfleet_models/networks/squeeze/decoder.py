"""Runs SqueezeSAM on prompts, in the two steps of `samfleet_models.decoder.interface`.

The network makes a prompt's masks together with their predicted IoUs, so scoring runs all of it and drawing selects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.squeeze_sam.prompt_planes import prompt_planes


@dataclass(frozen=True, slots=True)
class SqueezeScored:
    """P prompts: `ious` [P, 4] on the host and `logits` [P, 4, S/2, S/2] on the device."""

    ious: Tensor
    logits: Tensor


class SqueezeDecoder:
    """Maps an image's normalised pixels and its prompts to masks with `run`, the whole network."""

    lanes = 1  # torch shares the work of one prompt among its threads

    def __init__(self, run: Callable[[Tensor], Features], side: int) -> None:
        self._run = run
        self._side = side

    def prepare(self, features: Features) -> Tensor:
        """Return the normalised pixels [1, 3, S, S], all that prompts share."""
        return features[0]

    @torch.inference_mode()
    def score(self, images: Tensor | Sequence[Tensor], coords: Tensor, labels: Tensor) -> SqueezeScored:
        pixels = images.expand(len(coords), -1, -1, -1) if isinstance(images, Tensor) else torch.cat(list(images))
        coords, labels = to_device(coords.float(), pixels.device), to_device(labels, pixels.device)
        logits, ious = self._run(torch.cat([pixels, prompt_planes(coords, labels, self._side)], dim=1))
        return SqueezeScored(ious.cpu(), logits)

    def draw(self, scored: SqueezeScored, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """Return the `masks` [n] (0 to 3) of the prompts `rows` [n]."""
        device = scored.logits.device
        return DrawnMasks(scored.logits[to_device(rows, device), to_device(masks, device)], scored.ious[rows, masks])

    def release_memory(self) -> None:
        """Do nothing; nothing is kept between two calls."""
