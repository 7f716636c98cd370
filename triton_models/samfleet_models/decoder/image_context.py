"""The data that all prompts of one image share, computed once per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.numerics import Types, centred
from samfleet_models.decoder.output_upscaling import PixelTerms
from samfleet_models.decoder.tables import Layout
from samfleet_models.modeling.mask_decoder import ImageFeatures
from samfleet_models.modeling.transformer import DIM


@dataclass(frozen=True, slots=True)
class Positions:
    """Projected positions of the N image tokens, equal for all images of a size.

    `keys` of the three token-to-image attentions and `queries` of the two image-to-token ones, which include their
    constants. They are tables of a `Layout`. The first of each are added to those of an image; the others are operands.
    """

    keys: tuple[Tensor, Tensor, Tensor]
    queries: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, weights: FoldedWeights, features: Tensor, layout: Layout) -> Positions:
        """Project positional `features` [N, 256], in float32."""
        first, second, final = (layout.channels(part.position_key, features) for part in weights.to_image)
        early, late = (
            layout.channels(part.position_query.weight, features, part.position_query.bias)
            for part in weights.to_tokens
        )
        return cls((first, layout.operand(second), layout.operand(final)), (early, layout.operand(late)))


@dataclass(frozen=True, slots=True)
class ImageContext:
    """Tables of an image's N tokens K, projected for every attention between prompts and image, in one `Layout`.

    With K₀ = K centred over the channels and K₁ = K₀ · gain centred: `keys`, `values` and `queries` per attention, of K
    in the first layer (positions included), of K₀ in the second and K₁ in the final attention; `echoes` are the images
    of K₀ and K₁ under the output projections that a variance needs: (K₀, first), (K₁, first), (K₁, second). `norms` [1,
    N] are |K₀|² and |K₁|², `shift` [1, N] is twice K₁ · shift; both are divided by the 256 channels. `norms` are
    float32, `shift` of the type of scoring, `pixels` of that of drawing, all others operands of the layout.
    """

    positions: Positions
    keys: tuple[Tensor, Tensor, Tensor]
    values: tuple[Tensor, Tensor, Tensor]
    queries: tuple[Tensor, Tensor]
    echoes: tuple[Tensor, Tensor, Tensor]
    norms: tuple[Tensor, Tensor]
    shift: Tensor
    pixels: PixelTerms

    @property
    def size(self) -> int:
        """The number N of image tokens."""
        return self.norms[0].shape[1]

    @property
    def side(self) -> int:
        """Side of the square embedding, whose pixels are the N tokens."""
        return math.isqrt(self.size)

    @classmethod
    def of(
        cls,
        weights: FoldedWeights,
        positions: Positions,
        features: ImageFeatures,
        dense: Tensor,
        types: Types,
        layout: Layout,
        terms: Callable[[Tensor, ImageFeatures], PixelTerms],
    ) -> ImageContext:
        """Make the context of one image's `features`, with `dense` added to the embedding.

        `dense` is [1, 256], or [N, 256] for a mask prompt.

        It is computed in float32. `layout` is that of `positions`, with operands for the scoring of `types`; `terms` is
        that of the drawing.
        """
        tokens = (features.embedding[0].flatten(1).T + dense).contiguous()  # [N, 256]
        first, second, final = weights.to_image
        early, late = weights.to_tokens
        k0 = centred(tokens + early.bias, 1)
        k1 = centred(k0 * weights.gain, 1)

        def of_tokens(matrix: Tensor, operand: Tensor, position: Tensor | None = None) -> Tensor:
            projected = layout.channels(matrix, operand)
            return layout.operand(projected if position is None else projected + position)

        def values(matrix: Tensor, operand: Tensor) -> Tensor:
            return layout.operand(layout.values(matrix, operand))

        return cls(
            positions=positions,
            keys=(
                layout.first_keys(layout.channels(first.key, tokens) + positions.keys[0]),
                of_tokens(second.key, k0),
                of_tokens(final.key, k1),
            ),
            values=(values(first.value, tokens), values(second.value, k0), values(final.value, k1)),
            queries=(of_tokens(early.query, tokens, positions.queries[0]), of_tokens(late.query, k0)),
            echoes=(
                of_tokens(early.out.flatten(0, 1), k0),
                of_tokens(weights.gained_out.flatten(0, 1), k1),
                of_tokens(late.out.flatten(0, 1), k1),
            ),
            norms=(k0.square().sum(1)[None] / DIM, k1.square().sum(1)[None] / DIM),
            shift=(weights.shift @ k1.T)[None].mul_(2 / DIM).to(types.scoring),
            pixels=terms(k1, features),
        )


def image_groups(contexts: Sequence[ImageContext], most: int) -> Iterator[tuple[slice, ImageContext]]:
    """Yield slices of at most `most` neighbours of one image; `contexts` has the image of every prompt."""
    start = 0
    for _, neighbours in groupby(contexts, key=id):
        same = list(neighbours)
        end = start + len(same)
        for first in range(start, end, most):
            yield slice(first, min(first + most, end)), same[0]
        start = end
