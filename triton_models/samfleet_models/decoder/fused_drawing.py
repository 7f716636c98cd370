"""Masks drawn by a compiled kernel: both transposed convolutions and the products with the masks' kernels, by tile.

It computes what `samfleet_models.decoder.mask_logits.PlainDrawing` and `hq_mask_logits.RefinedDrawing` do.
`samfleet_models.decoder.output_upscaling` states the algebra. One term is taken out beforehand: the mean over the
channels, which a LayerNorm over them subtracts. The mean of a linear map is linear, so the map's columns, the constants
and the image's own terms are stored without it. EfficientSAM's norm over all pixels subtracts another mean; its kernel
keeps the first convolution of the whole prompt, 4 MB.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from samfleet_kernels.library import Kernels
from samfleet_kernels.structures import Drawing, DrawingSizes
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.fused_refining import FusedRefining
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.numerics import Affine, centred
from samfleet_models.decoder.output_upscaling import SUBPIXELS, Norm, PixelTerms, PromptNorm, by_pixel
from samfleet_models.decoder.tables import tiles
from samfleet_models.decoder.token_rows import DifferenceRows, TokenRows
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.modeling.mask_decoder import MASKS, ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM
from samfleet_models.ops.kernel_threads import address

FEATURES = DIM // 8  # channels from which a mask is drawn


@dataclass(frozen=True, slots=True)
class FusedDrawing:
    """Draws on a CPU, from factors by tile; with kernels for bfloat16 most products round their operands to it.

    `first` [256, 4 * 64] and `bias` [4 * 64] act before the `norm`; the kernel makes W's rows under `first` with the
    matrices of `rows`. HQ-SAM's `refining` reads the second halves of its kernels [k, 32 + 32].
    """

    first: Tensor
    rows: TokenRows
    bias: Tensor
    norm: Norm
    second: Affine
    kernels: Kernels
    refining: FusedRefining | None = None

    @classmethod
    def of(cls, decoder: MaskDecoder, weights: FoldedWeights, kernels: Kernels) -> Self:
        up_scaling = weights.up_scaling
        first = _before(up_scaling.norm, up_scaling.first)
        return cls(
            first=first,
            rows=DifferenceRows.of(weights).under(first),
            bias=_before(up_scaling.norm, up_scaling.first_bias),
            norm=up_scaling.norm,
            second=up_scaling.second,
            kernels=kernels,
            refining=FusedRefining.of(decoder) if isinstance(decoder, RefinedMaskDecoder) else None,
        )

    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        return 4 * self.kernels.drawing_floats(self._sizes(tokens, pixels, MASKS))

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        """Return the terms of one image with tokens `k1` [N, 256], in tables by tile."""
        constants = self.bias
        if features.coarse is not None:
            constants = _table(_before(self.norm, self.bias + by_pixel(features.coarse, 2)))
        second, refined = (
            None if maps is None else _table(by_pixel(maps, 4)) for maps in (features.fine, features.refined)
        )
        return PixelTerms(first=_table(k1 @ self.first), constants=constants, second=second, refined=refined)

    def draw(
        self,
        context: ImageContext,
        factors: Factors,
        kernels: Tensor,
        counts: Sequence[int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        """Write the logits `out` [k, 4 * side, 4 * side], like `mask_logits.Drawing.draw`."""
        refining = self.refining and self.refining.of_prompts(kernels, counts)
        masks = kernels[:, :FEATURES].contiguous()
        start = 0
        for prompt, count in enumerate(counts):
            own = slice(start, start + count)
            arrays = self._arrays(context, factors.group(slice(prompt, prompt + 1)))
            arrays.kernels, arrays.out = address(masks[own]), address(out[own])
            if self.refining and refining:
                refined = self.refining.arrays(context, refining, prompt)
                arrays.refining = ctypes.addressof(refined)
            sizes = self._sizes(factors.tokens.shape[2], context.size, count)
            memory = workspace.take("kernels", self.kernels.drawing_floats(sizes))
            self.kernels.run("drawing", sizes, arrays, address(memory))
            start += count

    def _sizes(self, tokens: int, pixels: int, masks: int) -> DrawingSizes:
        together = isinstance(self.norm, PromptNorm)
        return DrawingSizes(tokens, pixels, math.isqrt(pixels), masks, together, self.refining is not None)

    def _arrays(self, context: ImageContext, factors: Factors) -> Drawing:
        """Return the structure that the kernel reads for one prompt, without its masks."""
        pixels, shared = context.pixels, context.pixels.constants.dim() == 1
        return Drawing(
            image=address(factors.image),
            scale=address(factors.scale),
            values=address(factors.tokens),
            matrices=address(self.rows.matrices),
            shift=address(self.rows.last),
            base=address(pixels.first),
            bias=address(pixels.constants) if shared else None,
            constants=None if shared else address(pixels.constants),
            norm_weight=address(self.norm.weight),
            norm_bias=address(self.norm.bias),
            epsilon=self.norm.epsilon,
            second=address(self.second.weight),
            second_bias=address(self.second.bias),
            terms=None if pixels.second is None else address(pixels.second),
        )


def _before(norm: Norm, rows: Tensor) -> Tensor:
    """Return [..., 4 * 64] as it enters a norm: without the mean over a sub-pixel's channels if that subtracts it."""
    if isinstance(norm, PromptNorm):
        return rows
    return centred(rows.view(*rows.shape[:-1], SUBPIXELS, -1), -1).flatten(-2).contiguous()


def _table(rows: Tensor) -> Tensor:
    """Return [tiles, C, 64] of `rows` [N, C]."""
    return tiles(rows).transpose(1, 2).contiguous()
