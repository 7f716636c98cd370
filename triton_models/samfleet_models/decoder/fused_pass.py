"""A pass by compiled kernels on a CPU; its sweeps take a tile of 64 image tokens at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from samfleet.variants.execution import Products
from samfleet_kernels.library import Kernels, chosen, chosen_for_bfloat16
from samfleet_kernels.structures import First, Second, Sizes, Third
from samfleet_models.decoder.compiled_steps import CompiledSteps
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.swept_pass import SecondOperands, SweptPass, ThirdOperands
from samfleet_models.decoder.token_matrices import TokenMatrices
from samfleet_models.decoder.two_way_pass import FINAL, SECOND
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.ops.kernel_threads import address


def kernels_for(device: torch.device, scoring: torch.dtype, products: Products = "ieee") -> Kernels | None:
    """Return the kernels that this process chose; None where they do not apply: other devices and types."""
    if device.type != "cpu" or scoring != torch.float32:
        return None
    return chosen_for_bfloat16() if products == "bf16" else chosen()


class FusedPass(SweptPass):
    """One pass of P prompts through the transformer; `contexts` has the image of each prompt, in tables by tile."""

    def __init__(
        self,
        matrices: TokenMatrices,
        weights: FoldedWeights,
        contexts: Sequence[ImageContext],
        workspace: Workspace,
    ) -> None:
        super().__init__(CompiledSteps(matrices, workspace), weights, contexts)
        self._workspace = workspace
        self._kernels = matrices.kernels

    def run(self, prompt: Tensor, factors: Factors) -> Tensor:
        self._memory = self._workspace.take("kernels", self._kernels.memory_floats(prompt.shape[1]))
        return super().run(prompt, factors)

    def _first(self, context: ImageContext, queries: Tensor, seen: Tensor) -> None:
        arrays = First(
            queries=address(queries),
            keys=address(context.keys[0]),
            values=self._table(context.values[0]),
            seen=address(seen),
        )
        self._kernels.run("first", self._sizes(queries), arrays, address(self._memory))

    def _second(
        self, context: ImageContext, operands: SecondOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        arrays = Second(
            early_keys=address(operands.early_keys),
            echo_values=address(operands.early_values),
            products=address(operands.products),
            queries=address(operands.queries),
            against=address(operands.against),
            early_queries=self._table(context.queries[0]),
            echoes=self._table(context.echoes[0]),
            keys=self._table(context.keys[SECOND]),
            position_keys=self._table(context.positions.keys[SECOND]),
            values=self._table(context.values[SECOND]),
            norms=address(context.norms[0]),
            epsilon=self._weights.epsilons[0],
            scale=address(factors.scale),
            gathered=address(gathered),
            seen=address(seen),
        )
        self._kernels.run("second", self._sizes(seen), arrays, address(self._memory))

    def _third(
        self, context: ImageContext, operands: ThirdOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        arrays = Third(
            early_keys=address(operands.early_keys),
            late_keys=address(operands.late_keys),
            early_values=address(operands.early_values),
            late_values=address(operands.late_values),
            late_against=address(operands.late_against),
            products=address(operands.products),
            queries=address(operands.queries),
            against=address(operands.against),
            early_queries=self._table(context.queries[0]),
            late_queries=self._table(context.queries[1]),
            position_queries=self._table(context.positions.queries[1]),
            early_echoes=self._table(context.echoes[1]),
            late_echoes=self._table(context.echoes[2]),
            keys=self._table(context.keys[FINAL]),
            position_keys=self._table(context.positions.keys[FINAL]),
            values=self._table(context.values[FINAL]),
            shift=address(context.shift),
            norms=address(context.norms[1]),
            epsilon=self._weights.epsilons[1],
            image=address(factors.image),
            scale=address(factors.scale),
            gathered=address(gathered),
            seen=address(seen),
        )
        self._kernels.run("third", self._sizes(seen, by_tile=factors.by_tile), arrays, address(self._memory))

    def _table(self, table: Tensor) -> int:
        return address(table, torch.bfloat16 if self._kernels.bfloat16 else torch.float32)

    def _sizes(self, heads: Tensor, *, by_tile: bool = False) -> Sizes:
        """Return the sizes of a sweep of prompts [P, H, T, 16]."""
        return Sizes(len(heads), heads.shape[2], self._pixels, by_tile)
