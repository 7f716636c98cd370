"""The two-way transformer as three sweeps of compiled kernels over the image tokens.

It computes what `samfleet_models.decoder.two_way_pass` does, which states the algebra and the names. A sweep takes a
tile of 64 image tokens through all steps up to the next softmax over the image, which runs online; between the sweeps
only tokens are computed, by torch. Of the image-sized tensors only the final factors are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from samfleet_kernels.library import Kernels, chosen
from samfleet_kernels.structures import First, Second, Sizes, Third
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights, ToImage
from samfleet_models.decoder.image_context import ImageContext, image_groups
from samfleet_models.decoder.matmul import by_head, each_head, join_heads, split_heads
from samfleet_models.decoder.tables import address
from samfleet_models.decoder.two_way_pass import FINAL, SECOND, TWICE_A_MEAN, mean_products
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.transformer import TwoWayTransformer


def kernels_for(device: torch.device, scoring: torch.dtype) -> Kernels | None:
    """Return the kernels that this process chose; None where they do not apply: other devices and types."""
    return chosen() if device.type == "cpu" and scoring == torch.float32 else None


class FusedPass:
    """One pass of P prompts through the transformer; `contexts` has the image of each prompt, in tables by tile."""

    def __init__(
        self,
        transformer: TwoWayTransformer,
        weights: FoldedWeights,
        contexts: Sequence[ImageContext],
        workspace: Workspace,
        kernels: Kernels,
    ) -> None:
        self._transformer = transformer
        self._weights = weights
        self._workspace = workspace
        self._kernels = kernels
        self._groups = list(image_groups(contexts, len(contexts)))
        self._pixels = contexts[0].size

    def run(self, prompt: Tensor, factors: Factors) -> Tensor:
        """Return the final tokens [P, T, 256]; the image tokens are written into `factors`."""
        weights = self._weights
        first, second = self._transformer.blocks
        self._memory = self._workspace.take("kernels", self._kernels.memory_floats(prompt.shape[1]))
        tokens = first.attend_to_each_other(prompt, prompt)
        tokens = first.norm2(tokens + self._attend_image(tokens + prompt))
        tokens = first.feed_forward(tokens)
        early_keys = split_heads(weights.to_tokens[0].key(tokens + prompt))
        early_values = split_heads(weights.to_tokens[0].value(tokens))
        updates = each_head(early_values, weights.to_tokens[0].out).flatten(1, 2)  # V₀ [P, J, 256]
        tokens = second.attend_to_each_other(tokens, prompt)
        doubled = early_values * TWICE_A_MEAN
        tokens = second.norm2(tokens + self._update_first(tokens + prompt, early_keys, doubled, updates, factors))
        tokens = second.feed_forward(tokens)
        late_keys = split_heads(weights.to_tokens[1].key(tokens + prompt))
        late_values = split_heads(weights.to_tokens[1].value(tokens))
        pairs = updates.shape[1]
        factors.tokens[:, :pairs] = each_head(early_values, weights.gained_out).flatten(1, 2)
        factors.tokens[:, pairs:-1] = each_head(late_values, weights.to_tokens[1].out).flatten(1, 2)
        factors.tokens[:, -1] = weights.shift
        values = (doubled, late_values * TWICE_A_MEAN)
        final = self._update_second(tokens + prompt, (early_keys, late_keys), values, updates, factors)
        return torch.as_tensor(self._transformer.norm_final_attn(tokens + final))

    def _attend_image(self, query_tokens: Tensor) -> Tensor:
        """First token-to-image attention."""
        place = self._weights.to_image[0]
        queries = split_heads(place.query(query_tokens))
        seen = torch.empty_like(queries)
        for rows, context, sizes in self._images(queries):
            arrays = First(
                queries=address(queries[rows]),
                keys=address(context.keys[0]),
                values=address(context.values[0]),
                seen=address(seen[rows]),
            )
            self._kernels.run("first", sizes, arrays, address(self._memory))
        return place.out(join_heads(seen))

    def _update_first(
        self, query_tokens: Tensor, early_keys: Tensor, doubled: Tensor, updates: Tensor, factors: Factors
    ) -> Tensor:
        """First image-to-token attention, which writes r₀ into `factors`, and second token-to-image attention."""
        place = self._weights.to_image[SECOND]
        queries = split_heads(place.query(query_tokens))
        against = _against(queries, place, updates)
        products = mean_products(updates)  # G / 256 [P, J, J]
        gathered, seen = torch.empty_like(products), torch.empty_like(queries)
        for rows, context, sizes in self._images(queries):
            arrays = Second(
                early_keys=address(early_keys[rows]),
                echo_values=address(doubled[rows]),
                products=address(products[rows]),
                queries=address(queries[rows]),
                against=address(against[rows]),
                early_queries=address(context.queries[0]),
                echoes=address(context.echoes[0]),
                keys=address(context.keys[SECOND]),
                position_keys=address(context.positions.keys[SECOND]),
                values=address(context.values[SECOND]),
                norms=address(context.norms[0]),
                epsilon=self._weights.epsilons[0],
                scale=address(factors.scale[rows]),
                gathered=address(gathered[rows]),
                seen=address(seen[rows]),
            )
            self._kernels.run("second", sizes, arrays, address(self._memory))
        return _attended(gathered, updates, seen, place)

    def _update_second(
        self,
        query_tokens: Tensor,
        keys: tuple[Tensor, Tensor],
        values: tuple[Tensor, Tensor],
        updates: Tensor,
        factors: Factors,
    ) -> Tensor:
        """Second image-to-token attention, which completes `factors`, and final token-to-image attention."""
        place = self._weights.to_image[FINAL]
        queries = split_heads(place.query(query_tokens))
        against = _against(queries, place, factors.tokens)
        late_against = torch.bmm(
            each_head(keys[1], self._weights.to_tokens[1].query_heads).flatten(1, 2), updates.transpose(1, 2)
        )
        products = mean_products(factors.tokens)  # W Wᵀ / 256
        gathered, seen = torch.empty_like(against), torch.empty_like(queries)
        for rows, context, sizes in self._images(queries):
            arrays = Third(
                early_keys=address(keys[0][rows]),
                late_keys=address(keys[1][rows]),
                early_values=address(values[0][rows]),
                late_values=address(values[1][rows]),
                late_against=address(late_against[rows]),
                products=address(products[rows]),
                queries=address(queries[rows]),
                against=address(against[rows]),
                early_queries=address(context.queries[0]),
                late_queries=address(context.queries[1]),
                position_queries=address(context.positions.queries[1]),
                early_echoes=address(context.echoes[1]),
                late_echoes=address(context.echoes[2]),
                keys=address(context.keys[FINAL]),
                position_keys=address(context.positions.keys[FINAL]),
                values=address(context.values[FINAL]),
                shift=address(context.shift),
                norms=address(context.norms[1]),
                epsilon=self._weights.epsilons[1],
                image=address(factors.image[rows]),
                scale=address(factors.scale[rows]),
                gathered=address(gathered[rows]),
                seen=address(seen[rows]),
            )
            self._kernels.run("third", sizes, arrays, address(self._memory))
        return _attended(gathered, factors.tokens, seen, place)

    def _images(self, queries: Tensor) -> Iterator[tuple[slice, ImageContext, Sizes]]:
        for rows, context in self._groups:
            yield rows, context, Sizes(rows.stop - rows.start, queries.shape[2], self._pixels)


def _against(queries: Tensor, place: ToImage, rows: Tensor) -> Tensor:
    """Return [P, J, k]: `queries` against the keys of the token factors `rows` [P, k, 256]."""
    return torch.bmm(each_head(queries, place.key_heads).flatten(1, 2), rows.transpose(1, 2))


def _attended(gathered: Tensor, rows: Tensor, seen: Tensor, place: ToImage) -> Tensor:
    """Return [P, T, 256]: the result of an attention from its weighted factors and weighted image values."""
    return place.out(join_heads(each_head(by_head(torch.bmm(gathered, rows)), place.value_heads).add_(seen)))
