"""Which number types the decoder computes in."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Types:
    """Of what is image-sized and belongs to a prompt: `scoring` in the transformer, `drawing` in the up-scaling.

    Products accumulate in float32; softmax and LayerNorm compute in it. What has a row per token, the variances behind
    the image's LayerNorms and their scales are float32 throughout.
    """

    scoring: torch.dtype = torch.float32
    drawing: torch.dtype = torch.float32

    @classmethod
    def of(cls, precision: torch.dtype, device: torch.device) -> Types:
        """On a CPU scoring stays float32: it waits for memory and not for products, gained nothing from bf16 (measured)
        and lost masks by it.
        """
        return cls(torch.float32 if device.type == "cpu" else precision, precision)
