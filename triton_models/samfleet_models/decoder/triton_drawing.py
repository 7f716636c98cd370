"""Masks drawn by a Triton kernel on a GPU: from the factors to the logits without anything between them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.matmul import product
from samfleet_models.decoder.output_upscaling import ChannelNorm, PixelTerms, UpScaling
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.mask_decoder import ImageFeatures
from samfleet_models.modeling.transformer import HEADS

if TYPE_CHECKING:
    from samfleet_models.gpu_kernels.launch import Launcher


@dataclass(frozen=True, slots=True)
class TritonDrawing:
    """Draws like `samfleet_models.decoder.mask_logits.PlainDrawing`, in the type of drawing."""

    up_scaling: UpScaling
    norm: ChannelNorm
    launcher: Launcher

    @classmethod
    def of(cls, up_scaling: UpScaling, launcher: Launcher) -> Self | None:
        """Return the drawing of an up-scaling; None if it has another norm than a LayerNorm over the channels."""
        norm = up_scaling.norm
        return cls(up_scaling, norm, launcher) if isinstance(norm, ChannelNorm) else None

    def bytes_per_prompt(self, _pixels: int, tokens: int) -> int:
        return 2 * 4 * (2 * HEADS * tokens + 1) * self.up_scaling.first.shape[1]  # `projected`, in two types

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        return self.up_scaling.terms(k1, features)

    def draw(
        self,
        context: ImageContext,
        factors: Factors,
        kernels: Tensor,
        counts: Sequence[int],
        out: Tensor,
        _workspace: Workspace,
    ) -> None:
        """Write the logits `out` [k, 4 * side, 4 * side], like `mask_logits.Drawing.draw`."""
        weights = self.up_scaling
        projected = product(factors.tokens, weights.first.expand(len(counts), -1, -1)).to(out.dtype)  # W U
        starts = to_device(torch.tensor(list(accumulate(counts, initial=0)), dtype=torch.int32), out.device)
        self.launcher.draw(
            (factors.image, factors.scale, projected),
            context.pixels.first,
            context.pixels.constants,
            context.pixels.second,
            (self.norm.weight, self.norm.bias, weights.second.weight, weights.second.bias),
            self.norm.epsilon,
            (kernels, starts, max(counts)),
            out,
        )
