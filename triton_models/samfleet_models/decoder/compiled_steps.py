"""The steps on tokens by the kernels `csrc/tokens.cpp` and `csrc/token_products.cpp`, in float32 on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet_kernels.encoder_structures import KernelStructure
from samfleet_kernels.library import count
from samfleet_kernels.token_structures import (
    GatheredRows,
    Projection,
    Projections,
    RowProducts,
    RowSquares,
    TokenAttention,
    TokenUpdate,
)
from samfleet_models.decoder.token_matrices import RowMatrices, TokenMatrices
from samfleet_models.decoder.two_way_pass import FINAL
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.kernel_layers.packed import PackedLayer
from samfleet_models.modeling.transformer import DIM, HEADS
from samfleet_models.ops.kernel_threads import address

DIFFERENCES, MEANS = 1, 2  # `minus` of `csrc/tokens.h`


@dataclass(frozen=True, slots=True)
class CompiledSteps:
    """`samfleet_models.decoder.token_steps.TokenSteps` whose rows are their operands [P, L H, T, 16]."""

    matrices: TokenMatrices
    workspace: Workspace

    def attend_to_each_other(self, layer: int, tokens: Tensor, positions: Tensor) -> Tensor:
        block, out = self.matrices.blocks[layer], torch.empty_like(tokens)
        queries, keys, values, outputs = (part.structure for part in block.projections)
        arrays = TokenAttention(
            *tokens.shape[:2],
            positioned_keys=block.self_attention.positioned_keys,
            positioned_values=block.self_attention.positioned_values,
            residual=block.self_attention.residual,
            queries=queries,
            keys=keys,
            values=values,
            outputs=outputs,
            norm=block.norms[0].structure,
            x=address(tokens),
            positions=address(positions),
            out=address(out),
        )
        self._call(arrays)
        return out

    def queries(self, attention: int, tokens: Tensor, positions: Tensor) -> Tensor:
        return self._projected([(self.matrices.queries[attention], True, 0)], tokens, positions)[0]

    def keys_and_operands(self, layer: int, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        minus = MEANS if self.matrices.kernels.bfloat16 else DIFFERENCES
        keys, values = self.matrices.keys[layer], self.matrices.values[layer]
        first, second = self._projected([(keys, True, 0), (values, False, minus)], tokens, positions)
        return first, second

    def rows(self, operands: Tensor) -> Tensor:
        return operands

    def formed(self, rows: Tensor) -> Tensor:
        return self.matrices.made(rows)

    def against(self, attention: int, queries: Tensor, rows: Tensor) -> Tensor:
        return self._products(queries, self.matrices.against[attention], rows)

    def late_against(self, keys: Tensor, rows: Tensor) -> Tensor:
        return self._products(keys, self.matrices.late_against, rows)

    def squares(self, rows: Tensor) -> Tensor:
        prompts, tokens, layers = _sizes(rows)
        side = _row_count(rows)
        matrices, shift = self.matrices.squares[layers].addresses
        out = rows.new_empty(prompts, side, side)
        square = self.matrices.shift_square
        self._call(RowSquares(prompts, tokens, layers, matrices, shift, square, address(rows), address(out)))
        return out

    def gather(self, attention: int, gathered: Tensor, rows: Tensor, seen: Tensor) -> Tensor:
        """Return `seen`, to which the values are added."""
        matrices, shifts = self.matrices.gathered[attention].addresses
        self._call(GatheredRows(*_sizes(rows), address(gathered), address(rows), matrices, shifts, address(seen)))
        return seen

    def update(self, layer: int, tokens: Tensor, seen: Tensor) -> Tensor:
        block = self.matrices.blocks[layer]
        arrays = TokenUpdate(
            hidden=block.widen.outer,
            gelu=block.gelu,
            norm=block.norms[1].structure,
            last_norm=block.norms[2].structure,
            widen=address(block.widen.weights),
            widen_bias=address(block.widen.bias),
            narrow=address(block.narrow),
            narrow_bias=address(block.narrow_bias),
        )
        return self._updated(layer, arrays, tokens, seen)

    def finish(self, tokens: Tensor, seen: Tensor) -> Tensor:
        return self._updated(FINAL, TokenUpdate(norm=self.matrices.final_norm.structure), tokens, seen)

    def _updated(self, attention: int, arrays: TokenUpdate, tokens: Tensor, seen: Tensor) -> Tensor:
        out = torch.empty_like(tokens)
        arrays.prompts, arrays.tokens = tokens.shape[:2]
        arrays.outputs = self.matrices.outputs[attention].structure
        arrays.x, arrays.seen, arrays.out = address(tokens), address(seen), address(out)
        self._call(arrays)
        return out

    def _projected(
        self, layers: Sequence[tuple[PackedLayer, bool, int]], tokens: Tensor, positions: Tensor
    ) -> list[Tensor]:
        """Return [P, H, T, 16] for each layer, with whether it reads the positions too, and its `minus`."""
        prompts, count_of_tokens, _ = tokens.shape
        outs = [tokens.new_empty(prompts, HEADS, count_of_tokens, DIM // 2 // HEADS) for _ in layers]
        each = tuple(
            Projection(layer.structure, positioned, minus, address(out))
            for (layer, positioned, minus), out in zip(layers, outs, strict=True)
        )
        self._call(Projections(prompts, count_of_tokens, each, address(tokens), address(positions)))
        return outs

    def _products(self, left: Tensor, under: RowMatrices, rows: Tensor) -> Tensor:
        out = rows.new_empty(len(left), left.shape[1] * left.shape[2], _row_count(rows))
        matrices, shifts = under.addresses
        self._call(RowProducts(*_sizes(rows), address(left), matrices, shifts, address(rows), address(out)))
        return out

    def _call(self, arrays: KernelStructure) -> None:
        count(arrays.operations())
        kernels = self.matrices.kernels
        kernels.call(arrays, address(self.workspace.take("tokens", kernels.floats(arrays))))


def _sizes(rows: Tensor) -> tuple[int, int, int]:
    """Return the numbers of prompts, tokens and layers of operands [P, L H, T, 16]."""
    return len(rows), rows.shape[2], rows.shape[1] // HEADS


def _row_count(rows: Tensor) -> int:
    _, tokens, layers = _sizes(rows)
    return layers * (HEADS * (tokens - 1) + 1)
