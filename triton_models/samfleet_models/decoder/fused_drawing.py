"""Masks drawn by a compiled kernel: both transposed convolutions and the products with the masks' kernels, by tile.

It computes what `samfleet_models.decoder.mask_logits.PlainDrawing` does. `samfleet_models.decoder.output_upscaling`
states the algebra. One term is taken out beforehand: the mean over the channels, which the LayerNorm subtracts. The
mean of a linear map is linear, so the map's columns, the constants and the image's own terms are stored without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from samfleet_kernels.library import Kernels
from samfleet_kernels.structures import Drawing, DrawingSizes
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.numerics import Affine, centred
from samfleet_models.decoder.output_upscaling import SUBPIXELS, ChannelNorm, PixelTerms, by_pixel
from samfleet_models.decoder.tables import address, tiles
from samfleet_models.decoder.token_rows import TokenRows
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.mask_decoder import MASKS, ImageFeatures
from samfleet_models.modeling.transformer import HEADS


@dataclass(frozen=True, slots=True)
class FusedDrawing:
    """Draws in float32 on a CPU, from factors by tile.

    `first` [256, 4 * 64] and `bias` [4 * 64] have no mean over a sub-pixel's channels; `rows` are W's under `first`.
    """

    first: Tensor
    rows: TokenRows
    bias: Tensor
    norm: ChannelNorm
    second: Affine
    kernels: Kernels

    @classmethod
    def of(cls, weights: FoldedWeights, kernels: Kernels) -> Self | None:
        """Return a decoder's drawing; None if its up-scaling has another norm than a LayerNorm over the channels."""
        up_scaling = weights.up_scaling
        if not isinstance(up_scaling.norm, ChannelNorm):
            return None
        first = _without_mean(up_scaling.first)
        return cls(
            first=first,
            rows=TokenRows.of(weights).under(first),
            bias=_without_mean(up_scaling.first_bias),
            norm=up_scaling.norm,
            second=up_scaling.second,
            kernels=kernels,
        )

    def bytes_per_prompt(self, _pixels: int, tokens: int) -> int:
        rows = 2 * HEADS * tokens + 1
        return 4 * (self.kernels.drawing_floats(rows, MASKS) + rows * self.first.shape[1])

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        """Return the terms of one image with tokens `k1` [N, 256], in tables by tile."""
        constants = self.bias
        if features.coarse is not None:
            constants = _table(_without_mean(self.bias + by_pixel(features.coarse, 2)))
        return PixelTerms(
            first=_table(k1 @ self.first),
            constants=constants,
            second=None if features.fine is None else _table(by_pixel(features.fine, 4)),
        )

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
        projected = self.rows(factors.tokens)  # W U
        start = 0
        for prompt, count in enumerate(counts):
            own = slice(start, start + count)
            self._draw_prompt(
                context, factors.group(slice(prompt, prompt + 1)), projected[prompt], kernels[own], out[own], workspace
            )
            start += count

    def _draw_prompt(
        self,
        context: ImageContext,
        factors: Factors,
        projected: Tensor,
        kernels: Tensor,
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        pixels, shared = context.pixels, context.pixels.constants.dim() == 1
        sizes = DrawingSizes(rows=len(projected), pixels=context.size, side=context.side, masks=len(kernels))
        arrays = Drawing(
            image=address(factors.image),
            scale=address(factors.scale),
            projected=address(projected),
            base=address(pixels.first),
            bias=address(pixels.constants) if shared else None,
            constants=None if shared else address(pixels.constants),
            norm_weight=address(self.norm.weight),
            norm_bias=address(self.norm.bias),
            epsilon=self.norm.epsilon,
            second=address(self.second.weight),
            second_bias=address(self.second.bias),
            terms=None if pixels.second is None else address(pixels.second),
            kernels=address(kernels),
            out=address(out),
        )
        memory = workspace.take("kernels", self.kernels.drawing_floats(sizes.rows, sizes.masks))
        self.kernels.run("drawing", sizes, arrays, address(memory))


def _without_mean(rows: Tensor) -> Tensor:
    """Subtract the mean over the channels of each sub-pixel from [..., 4 * 64]."""
    return centred(rows.view(*rows.shape[:-1], SUBPIXELS, -1), -1).flatten(-2).contiguous()


def _table(rows: Tensor) -> Tensor:
    """Return [tiles, C, 64] of `rows` [N, C]."""
    return tiles(rows).transpose(1, 2).contiguous()
