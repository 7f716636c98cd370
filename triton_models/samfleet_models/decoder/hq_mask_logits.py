"""HQ-SAM's masks: SAM's logits plus those of one more mask, drawn from finer features.

The finer features are two 3 x 3 convolutions of a prompt's up-scaled features, plus features of the image. The second
convolution is linear, and only the product of its result with one kernel is needed. So its weights are multiplied with
that kernel first, and 64 channels become 1 instead of 32. It is then 9 products per pixel, each added at its tap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.mask_logits import TILE, PlainDrawing, each_prompt, row_spans
from samfleet_models.decoder.numerics import Affine
from samfleet_models.decoder.output_upscaling import SUBPIXELS, ChannelNorm, PixelTerms, UpScaling
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.modeling.mask_decoder import ImageFeatures
from samfleet_models.modeling.transformer import DIM

CHANNELS = DIM // 8
TAPS = 9


@dataclass(frozen=True, slots=True)
class RefiningLayers:
    """The layers that refine, float32: `first` [64, 32, 3, 3], the LayerNorm after it, and the second convolution.

    The `weight` [32, 64 * 9] of `second` is mirrored: the contribution of a pixel to its neighbours.
    """

    first: Affine
    norm: ChannelNorm
    second: Affine


def refining_layers(decoder: RefinedMaskDecoder) -> RefiningLayers:
    first, norm, _, second = decoder.embedding_maskfeature
    if not isinstance(norm, LayerNorm2d):
        raise TypeError("a LayerNorm2d is expected between the convolutions that refine")
    parts = [torch.as_tensor(part).detach() for layer in (first, norm, second) for part in (layer.weight, layer.bias)]
    first_weight, first_bias, norm_weight, norm_bias, taps, bias = parts
    return RefiningLayers(
        first=Affine(first_weight, first_bias),
        norm=ChannelNorm(norm_weight, norm_bias, norm.eps),
        second=Affine(taps.flip(2, 3).flatten(1), bias),
    )


@dataclass(frozen=True, slots=True)
class RefinedDrawing:
    """Draws with kernels [k, 32 + 32], whose second halves, equal for all masks of a prompt, refine.

    `first` and `norm` are in the type of drawing; `second` is float32.
    """

    up_scaling: UpScaling
    first: Affine
    norm: ChannelNorm
    second: Affine

    @classmethod
    def of(cls, decoder: RefinedMaskDecoder, up_scaling: UpScaling) -> Self:
        dtype, layers = up_scaling.first_bias.dtype, refining_layers(decoder)
        return cls(
            up_scaling=up_scaling,
            first=Affine(
                layers.first.weight.to(dtype).contiguous(memory_format=torch.channels_last), layers.first.bias.to(dtype)
            ),
            norm=ChannelNorm(layers.norm.weight.to(dtype), layers.norm.bias.to(dtype), layers.norm.epsilon),
            second=layers.second,
        )

    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        spatial = CHANNELS + 3 * 2 * CHANNELS + 2 * TAPS  # features, convolved, normalised, one to spare; the taps
        return PlainDrawing(self.up_scaling).bytes_per_prompt(pixels, tokens) + 4 * SUBPIXELS**2 * pixels * spatial

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        return self.up_scaling.terms(k1, features)

    def draw(
        self,
        context: ImageContext,
        factors: Factors,
        kernels: Tensor,
        counts: Sequence[int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        features = self._features(context, factors, workspace)
        firsts = to_device(torch.tensor(list(accumulate(counts[:-1], initial=0))), out.device)
        refinement = self._refinement(context, features, kernels[firsts, CHANNELS:].float())
        logits = each_prompt(kernels[:, :CHANNELS].contiguous(), counts, features.flatten(1, 2))
        owners = to_device(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), out.device)
        torch.add(logits.view(out.shape), refinement[owners], out=out)

    def _features(self, context: ImageContext, factors: Factors, workspace: Workspace) -> Tensor:
        """Return [g, 4 * side, 4 * side, 32], valid until the next prompts are drawn."""
        side, count = context.side, len(factors.tokens)
        dtype = context.pixels.first.dtype
        whole = workspace.take("features", count, 4 * side, 4 * side, CHANNELS, dtype=dtype)
        blocks = whole.view(count, side, 2, 2, side, 2, 2, CHANNELS)
        spans = row_spans(side, TILE[whole.device.type])
        tiles = self.up_scaling.features(context.pixels, factors, spans, workspace)
        for span, features in zip(spans, tiles, strict=True):
            tile = features.view(count, -1, side, 2, 2, 2, 2, CHANNELS)  # y, x, then y and x of both sub-pixels
            blocks[:, span.start // side : span.stop // side] = tile.permute(0, 1, 3, 5, 2, 4, 6, 7)
        return whole

    def _refinement(self, context: ImageContext, features: Tensor, kernels: Tensor) -> Tensor:
        """Return the logits [g, 4 * side, 4 * side] float32 of the refining `kernels` [g, 32]."""
        height, width = features.shape[1:3]
        channels_first = features.permute(0, 3, 1, 2)
        hidden = functional.conv2d(channels_first, self.first.weight, self.first.bias, padding=1).permute(0, 2, 3, 1)
        norm = self.norm
        normed = functional.layer_norm(hidden, hidden.shape[3:], norm.weight, norm.bias, norm.epsilon)
        del hidden
        torch.ops.aten.gelu_(normed)
        taps = (kernels @ self.second.weight).view(len(kernels), 2 * CHANNELS, TAPS).to(normed.dtype)
        tapped = torch.bmm(normed.flatten(1, 2), taps).float().transpose(1, 2)  # [g, 9, pixels]
        refined = context.pixels.refined
        if refined is None:
            raise TypeError("a refining mask needs the image's own features")
        logits = functional.fold(tapped, (height, width), 3, padding=1)[:, 0]
        logits += (kernels.to(refined.dtype) @ refined.T).float().view_as(logits)
        return logits.add_((kernels @ self.second.bias)[:, None, None])
