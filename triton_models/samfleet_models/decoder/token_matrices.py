"""The parameters of a decoder as the compiled steps on tokens read them: packed and premultiplied once.

A row of V₀ or W (`samfleet_models.decoder.two_way_pass`) is 16 values times a matrix [16, 256]. So its product with a
query or with another row is a product of 16 values, under the product of both matrices, and rows are not formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_kernels.library import Kernels
from samfleet_kernels.token_structures import Norm
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.numerics import narrow, wide
from samfleet_models.decoder.token_rows import DifferenceRows, MeanRows
from samfleet_models.decoder.two_way_pass import FINAL, SECOND
from samfleet_models.modeling.kernel_layers.packed import PackedLayer
from samfleet_models.modeling.transformer import DIM, HEADS, Activation, SelfAttention, TwoWayBlock, TwoWayTransformer
from samfleet_models.ops.kernel_threads import address

GELU: dict[Activation, bool] = {torch.relu_: False, functional.gelu: True}  # the activations that the kernels compute


@dataclass(frozen=True, slots=True)
class NormWeights:
    gain: Tensor
    shift: Tensor
    epsilon: float

    @classmethod
    def of(cls, norm: nn.LayerNorm) -> Self:
        return cls(norm.weight.detach(), norm.bias.detach(), norm.eps)

    @property
    def structure(self) -> Norm:
        return Norm(address(self.gain), address(self.shift), self.epsilon)


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """A block's attention between tokens, its feed-forward, and the norms behind both and between them.

    `widen` and `narrow` are layers [256] to [256], one behind the other for each 256 hidden channels.
    """

    self_attention: SelfAttention
    projections: tuple[PackedLayer, PackedLayer, PackedLayer, PackedLayer]  # queries, scaled; keys; values; result
    norms: tuple[NormWeights, NormWeights, NormWeights]
    widen: PackedLayer
    narrow: Tensor
    narrow_bias: Tensor
    gelu: bool

    @classmethod
    def of(cls, block: TwoWayBlock, kernels: Kernels) -> Self:
        attention, mlp = block.self_attn, block.mlp
        scale = (DIM // HEADS) ** -0.5
        queries = PackedLayer.of(
            attention.q_proj.weight.detach() * scale, attention.q_proj.bias.detach() * scale, kernels
        )
        keys, values, out = (
            _packed(layer, kernels) for layer in (attention.k_proj, attention.v_proj, attention.out_proj)
        )
        parts = torch.split(mlp.lin2.weight.detach(), DIM, dim=1)
        return cls(
            self_attention=block.self_attention,
            projections=(queries, keys, values, out),
            norms=(NormWeights.of(block.norm1), NormWeights.of(block.norm2), NormWeights.of(block.norm3)),
            widen=_packed(mlp.lin1, kernels),
            narrow=torch.cat([PackedLayer.of(part, None, kernels).weights for part in parts]),
            narrow_bias=mlp.lin2.bias.detach(),
            gelu=GELU[mlp.activation],
        )


@dataclass(frozen=True, slots=True)
class RowMatrices:
    """Matrices between heads' numbers and those that rows are made of; `shift` is that of W's last constant, if any."""

    matrices: Tensor
    shift: Tensor | None = None

    @property
    def addresses(self) -> tuple[int, int | None]:
        return address(self.matrices), None if self.shift is None else address(self.shift)


@dataclass(frozen=True, slots=True)
class TokenMatrices:
    """All of a decoder. Attentions to the image are numbered 0 to 2; of the first one no row is read.

    `against` [8, 16, 128 L] and `gathered` [8, 128 L, 16] are those of the second and the final attention to the image,
    `squares` [8 L, 16, 128 L] those of rows of one layer and of both; `shift_square` is W's last constant with itself.
    """

    kernels: Kernels
    made: DifferenceRows
    blocks: tuple[BlockWeights, BlockWeights]
    queries: tuple[PackedLayer, ...]
    outputs: tuple[PackedLayer, ...]
    keys: tuple[PackedLayer, ...]
    values: tuple[PackedLayer, ...]
    final_norm: NormWeights
    against: dict[int, RowMatrices]
    late_against: RowMatrices
    squares: dict[int, RowMatrices]
    shift_square: float
    gathered: dict[int, RowMatrices]

    @classmethod
    def of(cls, transformer: TwoWayTransformer, weights: FoldedWeights, kernels: Kernels) -> Self:
        made = (MeanRows if kernels.bfloat16 else DifferenceRows).of(weights)
        early, both = (wide(matrix).flatten(0, 1) for matrix in (weights.to_tokens[0].out, made.matrices))
        shift = wide(made.last)
        second, final = weights.to_image[SECOND], weights.to_image[FINAL]
        first_block, second_block = transformer.blocks
        late_queries = wide(weights.to_tokens[1].query_heads)
        return cls(
            kernels=kernels,
            made=made,
            blocks=(BlockWeights.of(first_block, kernels), BlockWeights.of(second_block, kernels)),
            queries=tuple(PackedLayer.of(place.query.weight, place.query.bias, kernels) for place in weights.to_image),
            outputs=tuple(PackedLayer.of(place.out.weight, place.out.bias, kernels) for place in weights.to_image),
            keys=tuple(PackedLayer.of(place.key.weight, place.key.bias, kernels) for place in weights.to_tokens),
            values=tuple(PackedLayer.of(place.value.weight, place.value.bias, kernels) for place in weights.to_tokens),
            final_norm=NormWeights.of(transformer.norm_final_attn),
            against={
                SECOND: RowMatrices(narrow(wide(second.key_heads) @ early.T)),
                FINAL: RowMatrices(narrow(wide(final.key_heads) @ both.T), narrow(wide(final.key_heads) @ shift)),
            },
            late_against=RowMatrices(narrow(late_queries @ early.T)),
            squares={1: RowMatrices(_squared(early)), 2: RowMatrices(_squared(both), narrow(both @ shift / DIM))},
            shift_square=(shift @ shift / DIM).item(),
            gathered={
                SECOND: RowMatrices(narrow(early @ wide(second.value_heads))),
                FINAL: RowMatrices(narrow(both @ wide(final.value_heads)), narrow(shift @ wide(final.value_heads))),
            },
        )


def _packed(layer: nn.Linear, kernels: Kernels) -> PackedLayer:
    return PackedLayer.of(layer.weight.detach(), layer.bias.detach(), kernels)


def _squared(rows: Tensor) -> Tensor:
    """Return [k / 16, 16, k]: means over the channels of the products of all pairs of `rows` [k, 256]."""
    return narrow(rows @ rows.T / DIM).view(-1, DIM // 2 // HEADS, len(rows))
