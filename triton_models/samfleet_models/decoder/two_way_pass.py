"""The two-way transformer of SAM without any image-sized tensor of 256 channels per prompt.

Exact in real arithmetic; the plain form is in Segment Anything (arXiv 2304.02643, appendix A). Per prompt there are T
tokens, per image N tokens, 8 heads of 16 channels; J = 8 · T counts (head, token) pairs. Rows are image tokens n.

The first image-to-token attention adds A₀ · V₀ to the image tokens K. A₀ [N, J] are its weights and V₀ [J, 256] the
tokens' values after the output projection. A LayerNorm subtracts a mean, and centring is linear. With K₀ and V₀
centred over the channels once, and K shared by all prompts,

    LN(K + A₀ V₀ + bias) = gain · r₀ · (K₀ + A₀ V₀) + shift        r₀ [N] = 1 / sqrt(variance + ε)
    variance             = (|K₀|² + Σⱼ A₀ⱼ · (2 K₀·V₀ⱼ + (A₀ G)ⱼ)) / 256        G = V₀ V₀ᵀ [J, J]

The second one adds A₁ V₁. The terms of a prompt are collected into B = [r₀ A₀, A₁, 1] [N, 2 J + 1] and W = [V₀ gained,
V₁, shift], all centred again. With K₁ = K₀ · gain centred,

    LN(… + A₁ V₁ + bias) = gain · r₁ · (r₀ K₁ + B W) + shift
    variance             = (r₀² |K₁|² + Σⱼ Bⱼ · (2 r₀ K₁·Wⱼ + (B W Wᵀ)ⱼ)) / 256

The division by 256 comes before the sums: it is exact in every type, and the terms stay within float16's 65504.

So the image-sized tensors of a prompt are r₁ B and the column r₁ r₀. Everything that a later layer needs from the image
tokens (keys, queries, values, the up-scaling) is a projection of K₀ or K₁, computed once per image, plus the same
projection of W, which has few rows:

    q · keyᵀ   = r₀ · (q · (K₀ Wkᵀ)ᵀ) + (q Wk V₀ᵀ) · (r₀ A₀)ᵀ + q · positionᵀ + constants, which a softmax cancels
    a · value  = (a r₀) · (K₀ Wvᵀ)    + (a · r₀ A₀) · (V₀ Wvᵀ) + constants, which the output's bias includes
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext, image_groups
from samfleet_models.decoder.matmul import by_head, each_head, from_image, join_heads, over_image, product, split_heads
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.transformer import DIM, TwoWayTransformer

SECOND, FINAL = 1, 2  # indices in the tuples of token-to-image attentions
TWICE_A_MEAN = 2 / DIM  # a power of two


class TwoWayPass:
    """One pass of P prompts through the transformer; `contexts` has the image of each prompt.

    Token-sized steps process all prompts together, image-sized steps at most `group` adjacent prompts of one image.
    """

    def __init__(
        self,
        transformer: TwoWayTransformer,
        weights: FoldedWeights,
        contexts: Sequence[ImageContext],
        workspace: Workspace,
        group: int,
    ) -> None:
        self._transformer = transformer
        self._weights = weights
        self._workspace = workspace
        self._groups = list(image_groups(contexts, group))
        self._pixels = contexts[0].size
        self._dtype = contexts[0].shift.dtype

    def run(self, prompt: Tensor, factors: Factors) -> Tensor:
        """Return the final tokens [P, T, 256]; the image tokens are written into `factors`."""
        first, second = self._transformer.blocks
        factors.image[:, -1] = 1
        factors.tokens[:, -1] = self._weights.shift
        tokens = first.attend_to_each_other(prompt, prompt)
        tokens = first.norm2(tokens + self._attend_image(tokens + prompt))
        tokens = first.feed_forward(tokens)
        values = split_heads(self._weights.to_tokens[0].value(tokens))
        updates = each_head(values, self._weights.to_tokens[0].out).flatten(1, 2)  # V₀ [P, J, 256]
        self._update_first(tokens + prompt, values, updates, factors)
        tokens = second.attend_to_each_other(tokens, prompt)
        tokens = second.norm2(tokens + self._attend_updated(tokens + prompt, updates, factors))
        tokens = second.feed_forward(tokens)
        self._update_second(tokens, prompt, values, updates, factors)
        final = self._attend_final(tokens + prompt, factors)
        return torch.as_tensor(self._transformer.norm_final_attn(tokens + final))

    def _attend_image(self, query_tokens: Tensor) -> Tensor:
        """First token-to-image attention: keys and values are projections of the image tokens."""
        place = self._weights.to_image[0]
        queries = self._narrow(split_heads(place.query(query_tokens)))
        attended = []
        for rows, context in self._groups:
            weights = over_image(queries[rows], context.keys[0], self._scratch("weights", queries[rows]))
            torch.softmax(weights, -1, out=weights)
            attended.append(from_image(weights, context.values[0]))
        return place.out(join_heads(torch.cat(attended).float()))

    def _update_first(self, key_tokens: Tensor, values: Tensor, updates: Tensor, factors: Factors) -> None:
        """First image-to-token attention: writes r₀ and r₀ A₀ into `factors`."""
        place = self._weights.to_tokens[0]
        keys, doubled = self._narrow(split_heads(place.key(key_tokens))), self._narrow(values * TWICE_A_MEAN)
        products = self._narrow(mean_products(updates))  # G / 256 [P, J, J]
        for rows, context in self._groups:
            part = factors.group(rows)
            weights = over_image(keys[rows], context.queries[0], part.early)
            torch.softmax(weights, 2, out=weights)
            spread = over_image(doubled[rows], context.echoes[0], self._scratch("spread", keys[rows]))
            flat = weights.flatten(1, 2)
            spread = product(products[rows], flat, add=spread.flatten(1, 2))
            variance = spread.mul_(flat).sum(1, keepdim=True, dtype=torch.float32).add_(context.norms[0])
            torch.rsqrt(variance.clamp_min_(0).add_(self._weights.epsilons[0]), out=part.scale)
            flat.mul_(part.scale)

    def _attend_updated(self, query_tokens: Tensor, updates: Tensor, factors: Factors) -> Tensor:
        """Second token-to-image attention: keys and values of LN(K + A₀ V₀), which is never formed."""
        place = self._weights.to_image[SECOND]
        queries = split_heads(place.query(query_tokens))
        against = self._narrow(torch.bmm(each_head(queries, place.key_heads).flatten(1, 2), updates.transpose(1, 2)))
        queries, attended = self._narrow(queries), []
        for rows, context in self._groups:
            part = factors.group(rows)
            early = part.early.flatten(1, 2)
            shared = over_image(queries[rows], context.keys[SECOND], self._scratch("weights", queries[rows]))
            weights = product(against[rows], early, add=shared.flatten(1, 2).mul_(part.scale))
            over_image(queries[rows], context.positions.keys[SECOND], by_head(weights), add=True)
            torch.softmax(weights, -1, out=weights)
            gathered = product(weights, early.transpose(1, 2))  # a · r₀ A₀ [g, J, J]
            seen = each_head(by_head(torch.bmm(gathered.float(), updates[rows])), place.value_heads)
            attended.append(seen.add_(from_image(by_head(weights.mul_(part.scale)), context.values[SECOND])))
        return place.out(join_heads(torch.cat(attended)))

    def _update_second(
        self, tokens: Tensor, prompt: Tensor, early_values: Tensor, updates: Tensor, factors: Factors
    ) -> None:
        """Second image-to-token attention: writes A₁ and W into `factors`, which are then final."""
        place = self._weights.to_tokens[1]
        keys, values = split_heads(place.key(tokens + prompt)), split_heads(place.value(tokens))
        pairs = updates.shape[1]
        factors.tokens[:, :pairs] = each_head(early_values, self._weights.gained_out).flatten(1, 2)
        factors.tokens[:, pairs:-1] = each_head(values, place.out).flatten(1, 2)
        against = self._narrow(torch.bmm(each_head(keys, place.query_heads).flatten(1, 2), updates.transpose(1, 2)))
        products = self._narrow(mean_products(factors.tokens))  # W Wᵀ / 256
        keys = self._narrow(keys)
        values, early_values = (self._narrow(x * TWICE_A_MEAN) for x in (values, early_values))
        for rows, context in self._groups:
            part = factors.group(rows)
            shared = over_image(keys[rows], context.queries[1], self._scratch("weights", keys[rows]))
            weights = by_head(
                product(against[rows], part.early.flatten(1, 2), add=shared.flatten(1, 2).mul_(part.scale))
            )
            over_image(keys[rows], context.positions.queries[1], weights, add=True)
            torch.softmax(weights, 2, out=part.late)
            spread = self._workspace.take("spread", *part.image.shape, dtype=self._dtype)
            over_image(early_values[rows], context.echoes[1], by_head(spread[:, :pairs]))
            over_image(values[rows], context.echoes[2], by_head(spread[:, pairs:-1]))
            spread[:, -1] = context.shift
            spread = product(products[rows], part.image, add=spread.mul_(part.scale))
            variance = spread.mul_(part.image).sum(1, keepdim=True, dtype=torch.float32)
            variance.addcmul_(part.scale.square(), context.norms[1])
            second = variance.clamp_min_(0).add_(self._weights.epsilons[1]).rsqrt_()
            part.image.mul_(second)
            part.scale.mul_(second)

    def _attend_final(self, query_tokens: Tensor, factors: Factors) -> Tensor:
        """Final token-to-image attention: keys and values of the final image tokens, which are never formed."""
        place = self._weights.to_image[FINAL]
        queries = split_heads(place.query(query_tokens))
        against = torch.bmm(each_head(queries, place.key_heads).flatten(1, 2), factors.tokens.transpose(1, 2))
        queries, against, attended = self._narrow(queries), self._narrow(against), []
        for rows, context in self._groups:
            part = factors.group(rows)
            shared = over_image(queries[rows], context.keys[FINAL], self._scratch("weights", queries[rows]))
            weights = product(against[rows], part.image, add=shared.flatten(1, 2).mul_(part.scale))
            over_image(queries[rows], context.positions.keys[FINAL], by_head(weights), add=True)
            torch.softmax(weights, -1, out=weights)
            gathered = product(weights, part.image.transpose(1, 2))  # [g, J, 2 J + 1]
            seen = each_head(by_head(torch.bmm(gathered.float(), part.tokens)), place.value_heads)
            attended.append(seen.add_(from_image(by_head(weights.mul_(part.scale)), context.values[FINAL])))
        return place.out(join_heads(torch.cat(attended)))

    def _narrow(self, x: Tensor) -> Tensor:
        """Convert to the type of image-sized operands. Products in it accumulate in float32 and are then rounded."""
        return x.to(self._dtype)

    def _scratch(self, name: str, queries: Tensor) -> Tensor:
        """Return [g, H, T, N] for the logits of `queries` [g, H, T, 16]."""
        return self._workspace.take(name, *queries.shape[:3], self._pixels, dtype=self._dtype)


def mean_products(rows: Tensor) -> Tensor:
    """Return [P, k, k]: means over the channels of the products of all pairs of `rows` [P, k, 256]."""
    return torch.bmm(rows, rows.transpose(1, 2)).div_(DIM)
