"""The up-scaling of SAM's mask decoder as matrix products, from the factors of `samfleet_models.decoder.two_way_pass`.

A transposed convolution whose kernel equals its stride is a linear map per pixel: 256 channels become 4 sub-pixels of
64, and after a norm and GELU each of these 4 sub-pixels of 32. On x = gain · r₁ · (r₀ K₁ + B W) + shift the first map U
is (r₁ r₀) · (K₁ U) + (r₁ B) · (W U) + constants. K₁ U is computed once per image; W U has few rows. Terms that an image
adds after a convolution (SAM 2's skips) have the layout of the convolution's result and join the constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.matmul import product
from samfleet_models.decoder.numerics import Affine, narrow, wide
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.mask_decoder import ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM
from samfleet_models.ops.onednn import linear

SUBPIXELS = 4  # outputs per pixel of a transposed convolution with kernel and stride 2
FirstConvolution = Callable[[slice], Tensor]  # result for some image tokens: [g, n, 4 * 64]


class Norm(Protocol):
    """The norm after the first convolution; `weight` and `bias` [64] act on the channels."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor: ...

    @property
    def epsilon(self) -> float: ...

    def tiles(self, first: FirstConvolution, spans: Sequence[slice]) -> Iterator[Tensor]:
        """Yield the normalised pixels [g * n * 4, 64] of each span of image tokens; they may be overwritten."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelNorm:
    """A LayerNorm over the channels of every pixel."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def tiles(self, first: FirstConvolution, spans: Sequence[slice]) -> Iterator[Tensor]:
        for span in spans:
            pixels = first(span).view(-1, len(self.weight))
            yield functional.layer_norm(pixels, pixels.shape[1:], self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class PromptNorm:
    """A GroupNorm of one group, over all channels and pixels of a prompt.

    It needs all of them before the first result.
    """

    weight: Tensor
    bias: Tensor
    epsilon: float

    def tiles(self, first: FirstConvolution, spans: Sequence[slice]) -> Iterator[Tensor]:
        pixels = first(slice(spans[0].start, spans[-1].stop))
        normed = functional.layer_norm(pixels, pixels.shape[1:], eps=self.epsilon)
        by_channel = normed.view(*normed.shape[:2], SUBPIXELS, -1)
        torch.addcmul(self.bias, by_channel, self.weight, out=by_channel)
        for span in spans:
            yield normed[:, span].reshape(-1, len(self.weight))


@dataclass(frozen=True, slots=True)
class PixelTerms:
    """The terms that one image adds to the drawing of all its prompts, in the type of drawing.

    `first` [N, 4 * 64] are its tokens K₁ after the first convolution. `constants` [N, 4 * 64] are added to that for any
    prompt, `second` [N * 4, 4 * 32] is added after the second convolution. `refined` [16 N, 32], row by row, are the
    features of the image from which a refining mask is drawn. `FusedDrawing` lays them out by tile.
    """

    first: Tensor
    constants: Tensor
    second: Tensor | None = None
    refined: Tensor | None = None


@dataclass(frozen=True, slots=True)
class UpScaling:
    """The two transposed convolutions as matrices; `first` [256, 4 * 64] acts before the gain of the last LayerNorm.

    All but `first` have the type of drawing.
    """

    first: Tensor
    first_bias: Tensor
    norm: Norm
    second: Affine

    @classmethod
    def of(cls, decoder: MaskDecoder, gain: Tensor, shift: Tensor, dtype: torch.dtype) -> Self:
        """Build from a decoder. `gain` and `shift` [256] are those of the last LayerNorm, float64."""
        first, norm, _, second, _ = decoder.output_upscaling
        matrix = wide(torch.as_tensor(first.weight)).permute(0, 2, 3, 1).reshape(DIM, -1)  # [256, 4 * 64]
        bias = wide(torch.as_tensor(first.bias)).repeat(SUBPIXELS)
        last = wide(torch.as_tensor(second.weight)).permute(2, 3, 1, 0).reshape(-1, DIM // 4)  # [4 * 32, 64]
        return cls(
            first=narrow(matrix * gain[:, None]),
            first_bias=narrow(bias + shift @ matrix).to(dtype),
            norm=_norm(norm, dtype),
            second=Affine(
                narrow(last).to(dtype), narrow(wide(torch.as_tensor(second.bias)).repeat(SUBPIXELS)).to(dtype)
            ),
        )

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        """Return the terms of one image with tokens `k1` [N, 256]."""
        dtype = self.first_bias.dtype
        constants = self.first_bias.expand(len(k1), -1)
        if features.coarse is not None:
            constants = (constants.float() + by_pixel(features.coarse, 2)).to(dtype)
        second = None if features.fine is None else by_pixel(features.fine, 4).view(-1, SUBPIXELS * DIM // 8).to(dtype)
        refined = features.refined
        return PixelTerms(
            first=(k1 @ self.first).to(dtype),
            constants=constants,
            second=second,
            refined=None if refined is None else refined[0].flatten(1).T.to(dtype).contiguous(),
        )

    def features(
        self, terms: PixelTerms, factors: Factors, spans: Sequence[slice], workspace: Workspace
    ) -> Iterator[Tensor]:
        """Yield the features [g, n * 16, 32] of the mask pixels of each span of n image tokens.

        They belong to g prompts of one image and are ordered (token, sub-pixel, sub-pixel).
        """
        dtype, count = self.first_bias.dtype, len(factors.tokens)
        projected = product(factors.tokens, self.first.expand(count, -1, -1)).to(dtype)  # W U
        image = _transposed(factors.image, dtype, workspace)

        def first(span: slice) -> Tensor:
            base = terms.first[span]
            start = workspace.take("first convolution", count, *base.shape, dtype=dtype)
            scale = factors.scale[:, :, span].transpose(1, 2).to(dtype)
            torch.addcmul(terms.constants[span], base, scale, out=start)
            return product(image[:, span], projected, add=start)

        for span, normed in zip(spans, self.norm.tiles(first, spans), strict=True):
            torch.ops.aten.gelu_(normed)
            second = linear(normed, self.second.weight, self.second.bias)  # [g * n * 4, 4 * 32]
            if terms.second is not None:
                second.view(count, -1, second.shape[1]).add_(
                    terms.second[SUBPIXELS * span.start : SUBPIXELS * span.stop]
                )
            torch.ops.aten.gelu_(second)
            yield second.view(count, -1, DIM // 8)


def by_pixel(maps: Tensor, factor: int) -> Tensor:
    """Return [N, factor² * C] of `maps` [1, C, factor * h, factor * w], with sub-pixels as in convolutions of stride 2.

    `factor` is 2 or 4; with 4 the sub-pixels of a sub-pixel are innermost.
    """
    channels, height, width = maps.shape[1:]
    splits = (2,) * (factor.bit_length() - 1)
    split = maps[0].reshape(channels, height // factor, *splits, width // factor, *splits)
    steps = len(splits)
    ys, xs = range(1, 2 + steps), range(2 + steps, 3 + 2 * steps)
    order = [axis for pair in zip(ys, xs, strict=True) for axis in pair]
    return split.permute(*order, 0).reshape(height * width // factor**2, -1)


def _norm(module: nn.Module, dtype: torch.dtype) -> Norm:
    weight, bias = (torch.as_tensor(part).detach().to(dtype) for part in (module.weight, module.bias))
    if isinstance(module, LayerNorm2d):
        return ChannelNorm(weight, bias, module.eps)
    if isinstance(module, nn.GroupNorm) and module.num_groups == 1:
        return PromptNorm(weight, bias, module.eps)
    raise TypeError("a LayerNorm2d or a GroupNorm of one group is expected after the first transposed convolution")


def _transposed(image: Tensor, dtype: torch.dtype, workspace: Workspace) -> Tensor:
    """Return [g, N, 2 J + 1] of `image` [g, 2 J + 1, N]; for one prompt as a matrix, which torch transposes faster."""
    prompts, rows, pixels = image.shape
    transposed = workspace.take("turned", prompts, pixels, rows, dtype=dtype)
    if prompts == 1:
        transposed[0].copy_(image[0].to(dtype).T)
    else:
        transposed.copy_(image.transpose(1, 2))
    return transposed
