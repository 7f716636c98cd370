"""The sweeps of a pass by Triton kernels on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.swept_pass import SecondOperands, SweptPass, ThirdOperands
from samfleet_models.decoder.token_rows import TokenRows
from samfleet_models.decoder.token_steps import TorchSteps
from samfleet_models.decoder.two_way_pass import FINAL, SECOND
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.transformer import TwoWayTransformer

if TYPE_CHECKING:
    from samfleet_models.gpu_kernels.launch import Launcher


class TritonPass(SweptPass):
    """One pass of P prompts of at most `LARGEST_TOKENS` through the transformer, in the type of scoring.

    `contexts` has the image of each prompt, in tables by head.
    """

    def __init__(
        self,
        transformer: TwoWayTransformer,
        weights: FoldedWeights,
        contexts: Sequence[ImageContext],
        workspace: Workspace,
        launcher: Launcher,
    ) -> None:
        super().__init__(TorchSteps(transformer, weights, TokenRows.of(weights)), weights, contexts)
        self._launcher = launcher
        self._dtype = contexts[0].shift.dtype
        self._workspace = workspace

    def _first(self, context: ImageContext, queries: Tensor, seen: Tensor) -> None:
        self._launcher.first(queries.to(self._dtype), (context.keys[0], context.values[0]), seen)

    def _second(
        self, context: ImageContext, operands: SecondOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        image = (
            context.queries[0],
            context.echoes[0],
            context.keys[SECOND],
            context.positions.keys[SECOND],
            context.values[SECOND],
            context.norms[0],
        )
        epsilon = self._weights.epsilons[0]
        self._launcher.second(operands.narrowed(self._dtype), image, epsilon, (factors.scale, gathered, seen))

    def _third(
        self, context: ImageContext, operands: ThirdOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        image = (
            context.queries[0],
            context.queries[1],
            context.positions.queries[1],
            context.echoes[1],
            context.echoes[2],
            context.keys[FINAL],
            context.positions.keys[FINAL],
            context.values[FINAL],
            context.shift,
            context.norms[1],
        )
        early_scale = self._workspace.take("early scale", *factors.scale.shape).copy_(factors.scale)
        outs = (factors.image, factors.scale, gathered, seen)
        epsilon = self._weights.epsilons[1]
        self._launcher.third(operands.narrowed(self._dtype), (*image, early_scale), epsilon, outs)
