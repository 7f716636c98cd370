"""HQ-SAM's refining mask in the compiled drawing.

It computes what `samfleet_models.decoder.hq_mask_logits` does, while a prompt's features are in the caches. The first
convolution takes three rows y of weights g to 6 points (Winograd's form F(4, 3)): with a = 2/3, b = 3/2 and rows d₋₁ to
d₄ of pixels, 4 rows of results r₀ to r₃ need 6 products along x instead of 12,

    at 0:   g₋₁                                           times    d₋₁ - (a² + b²) d₁ + d₃
    at ±a:  (g₋₁ ± a g₀ + a² g₁) / (2 a² (a² - b²))       times    (d₃ - b² d₁) ± a (d₂ - b² d₀)
    at ±b:  (g₋₁ ± b g₀ + b² g₁) / (2 b² (b² - a²))       times    (d₃ - a² d₁) ± b (d₂ - a² d₀)
    at ∞:   g₁                                            times    d₀ - (a² + b²) d₂ + d₄

and rₖ is the sum of the points' products times the point to the power of k; that at ∞ belongs to r₃ alone. The
LayerNorm's mean over the channels is taken out of the weights beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor

from samfleet_kernels.structures import Refining
from samfleet_models.decoder.hq_mask_logits import CHANNELS, TAPS, refining_layers
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.numerics import Affine, centred, narrow, wide
from samfleet_models.decoder.output_upscaling import ChannelNorm
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.ops.kernel_threads import address

INNER, OUTER = 2 / 3, 3 / 2  # their product is 1, which the divisors below need


@dataclass(frozen=True, slots=True)
class PromptRefining:
    """Operands that refine the masks of P prompts: `kernels` [P, 32], `taps` [P, 9, 64] and `constants` [P]."""

    kernels: Tensor
    taps: Tensor
    constants: Tensor


@dataclass(frozen=True, slots=True)
class FusedRefining:
    """`first` is [6, 64, 3 * 32], its bias [64]; `second` is [32, 64 * 9] with its bias [32]."""

    first: Affine
    norm: ChannelNorm
    second: Affine

    @classmethod
    def of(cls, decoder: RefinedMaskDecoder) -> Self:
        layers = refining_layers(decoder)
        weights = centred(wide(layers.first.weight), 0).permute(2, 0, 3, 1)  # [y, channel, x, feature]
        return cls(
            first=Affine(narrow(_at_points(weights).flatten(2)), narrow(centred(wide(layers.first.bias), 0))),
            norm=layers.norm,
            second=layers.second,
        )

    def of_prompts(self, kernels: Tensor, counts: Sequence[int]) -> PromptRefining:
        """Return the operands of g prompts, from kernels [k, 32 + 32] of their masks."""
        firsts = list(accumulate(counts[:-1], initial=0))
        own = kernels[firsts, CHANNELS:]
        taps = (own @ self.second.weight).view(len(own), -1, TAPS).transpose(1, 2)
        return PromptRefining(own.contiguous(), taps.contiguous(), own @ self.second.bias)

    def arrays(self, context: ImageContext, prompts: PromptRefining, prompt: int) -> Refining:
        """Return the structure that the kernel reads for one prompt; it has addresses in these tensors."""
        if context.pixels.refined is None:
            raise TypeError("a refining mask needs the image's own features")
        return Refining(
            first=address(self.first.weight),
            first_bias=address(self.first.bias),
            norm_weight=address(self.norm.weight),
            norm_bias=address(self.norm.bias),
            epsilon=self.norm.epsilon,
            taps=address(prompts.taps[prompt]),
            image=address(context.pixels.refined),
            kernel=address(prompts.kernels[prompt]),
            constant=address(prompts.constants[prompt]),
        )


def _at_points(weights: Tensor) -> Tensor:
    """Return [6, ...] of `weights` [3, ...]: their polynomial along y at 0, ±2/3, ±3/2 and ∞, over the divisors."""

    def at(point: float, divisor: float) -> Tensor:
        return (weights[0] + point * weights[1] + point**2 * weights[2]) / divisor

    inner = 2 * INNER**2 * (INNER**2 - OUTER**2)
    outer = 2 * OUTER**2 * (OUTER**2 - INNER**2)
    return torch.stack(
        [weights[0], at(INNER, inner), at(-INNER, inner), at(OUTER, outer), at(-OUTER, outer), weights[2]]
    )
