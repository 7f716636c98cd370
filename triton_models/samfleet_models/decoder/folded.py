"""SAM's mask decoder in two steps: score all prompts, then draw the wanted masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from samfleet.variants.execution import Products
from samfleet_kernels.gpu import gpu_kernels
from samfleet_kernels.library import Kernels
from samfleet_models.decoder.captured_scoring import CapturedScoring, LaunchedScores
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.fused_drawing import FusedDrawing
from samfleet_models.decoder.fused_pass import FusedPass, kernels_for
from samfleet_models.decoder.hq_mask_logits import RefinedDrawing
from samfleet_models.decoder.image_context import ImageContext, Positions, image_groups
from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.decoder.mask_logits import Drawing, PlainDrawing
from samfleet_models.decoder.numerics import Types
from samfleet_models.decoder.tables import ByHead, ByTile, Layout, PairsByTile
from samfleet_models.decoder.threads import PromptThreads, joined
from samfleet_models.decoder.token_matrices import TokenMatrices
from samfleet_models.decoder.triton_drawing import TritonDrawing
from samfleet_models.decoder.triton_pass import TritonPass
from samfleet_models.decoder.two_way_pass import TwoWayPass
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.memory import few_sizes, memory_for_chunks
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.modeling.mask_decoder import MaskDecoder
from samfleet_models.modeling.prompt_encoder import PointEncoder, PromptEncoder
from samfleet_models.modeling.transformer import HEADS
from samfleet_models.precision.dtypes import require_products

if TYPE_CHECKING:
    from samfleet_models.gpu_kernels.launch import Launcher

# Prompts whose image-sized tensors are computed together. In the transformer a GPU's product for one head of 256
# prompts writes 32 MB, which takes longer than its launch; for 64 prompts it does not. Drawing writes eight times as
# much.
SCORED_TOGETHER = {"cpu": 1, "cuda": 256}
DRAWN_TOGETHER = {"cpu": 1, "cuda": 64}


@dataclass(frozen=True, slots=True)
class ScoredPrompts:
    """P prompts after the transformer: predicted `ious` [P, 4] on the host and the inputs for drawing their masks.

    `contexts` has the image of each prompt. Mask 0 is the single mask, masks 1 to 3 are the multimask output.
    Everything but `ious` is invalid after the decoder's next `score`.
    """

    ious: Tensor
    tokens: Tensor
    factors: Factors
    contexts: Sequence[ImageContext]


def scratch_bytes(pixels: int, tokens: int) -> int:
    """Return the bytes that the transformer needs for a prompt in progress, in addition to its factors."""
    pairs = HEADS * tokens
    # Weights, the copy of their softmax, and the spread of the second layer, in float32.
    return 4 * pixels * (4 * pairs + 1)


class FoldedDecoder:
    """Prompt encoder and mask decoder with final parameters, float32 and on their device. Not thread-safe.

    `samfleet_models.decoder.numerics` says which part of a `precision` is computed in which type.
    """

    def __init__(
        self,
        prompt_encoder: PointEncoder,
        mask_decoder: MaskDecoder,
        precision: torch.dtype = torch.float32,
        products: Products = "ieee",
    ) -> None:
        """Fold the decoder. TF32 `products` raise `PrecisionUnsupported` where the GPU kernels are not used."""
        self._prompt_encoder = prompt_encoder
        self._mask_decoder = mask_decoder
        device = mask_decoder.iou_token.weight.device
        self._device = device
        self._types = Types.of(precision, device)
        self._workspace = Workspace(device)
        self._threads = PromptThreads(device)
        self._captured: CapturedScoring | None = None
        require_products(products, device)
        self._kernels = kernels_for(device, self._types.scoring, products)
        self._launcher = _launcher(device, products)
        self._layout = _layout(self._kernels, self._types.scoring)
        with torch.inference_mode():
            self._weights = FoldedWeights.of(mask_decoder, self._types.drawing)
            self._matrices = self._kernels and TokenMatrices.of(mask_decoder.transformer, self._weights, self._kernels)
            self._drawing = _drawing(mask_decoder, self._weights, self._types.drawing, self._kernels, self._launcher)
            self._positions = Positions.of(self._weights, prompt_encoder.image_positions()[0], self._layout)

    @property
    def compiled(self) -> bool:
        """True if the CPU kernels compute."""
        return self._kernels is not None

    @property
    def lanes(self) -> int:
        """Number of threads that share the prompts of a chunk."""
        return self._threads.count

    @torch.inference_mode()
    def prepare(self, features: Features) -> ImageContext:
        """Return the context that all prompts of one image share.

        `features` are the input of `MaskDecoder.image_features`.
        """
        image, dense = self._mask_decoder.image_features(features), self._prompt_encoder.dense
        return ImageContext.of(
            self._weights, self._positions, image, dense, self._types, self._layout, self._drawing.terms
        )

    @torch.inference_mode()
    def prepare_masked(self, features: Features, mask: Callable[[int], Tensor]) -> ImageContext:
        """Return the context of one image for the prompts that have this mask.

        `mask` returns the logits [M, M] of the mask in the frame, for the side M that the prompt encoder takes.
        """
        encoder = cast("PromptEncoder", self._prompt_encoder)  # only its families have `PromptRules.masks`
        dense = encoder.embed_mask(to_device(mask(encoder.mask_side), self._device))
        image = self._mask_decoder.image_features(features)
        return ImageContext.of(
            self._weights, self._positions, image, dense, self._types, self._layout, self._drawing.terms
        )

    @torch.inference_mode()
    def score(self, images: ImageContext | Sequence[ImageContext], coords: Tensor, labels: Tensor) -> ScoredPrompts:
        """Run the transformer and the IoU head on P prompts of one or several images.

        For several images, `images` has the context of every prompt, with those of one image adjacent. `coords` [P, T,
        2] (x, y) in pixels of the network input; `labels` [P, T] of `samfleet_models.modeling.prompt_encoder.Label`.
        """
        coords, labels = to_device(coords, self._device), to_device(labels, self._device)
        contexts = [images] * len(coords) if isinstance(images, ImageContext) else images
        launched = None if self._captured is None else self._captured(contexts, coords, labels)
        if launched is None:
            launched = self._launch(contexts, coords, labels, self._workspace, self._threads)
        return ScoredPrompts(launched.ious.cpu(), launched.tokens, launched.factors, contexts)

    def capture_scoring(self) -> None:
        """Replay the launches of scoring from now on, where chunks of a size repeat. Only for CUDA."""
        self._captured = CapturedScoring(partial(self._launch, whole_groups=True), self._device)

    @property
    def graph_bytes(self) -> int:
        """Unused memory of captured graphs, which nothing else can use."""
        return 0 if self._captured is None else self._captured.graph_bytes

    def _launch(
        self,
        contexts: Sequence[ImageContext],
        coords: Tensor,
        labels: Tensor,
        workspace: Workspace,
        threads: PromptThreads,
        *,
        whole_groups: bool = False,
    ) -> LaunchedScores:
        """Launch the scoring of prompts on the device; nothing waits.

        `whole_groups` does not fit groups of prompts to the free memory, which cannot be asked for during a capture.
        """
        # The steps on tokens are many small operators: torch's own threads would spend more on waiting for each other.
        shares = threads.shares(len(coords))
        prompt = joined(threads.map(lambda _, rows: self._prompt_tokens(coords[rows], labels[rows]), shares))
        pairs, pixels = HEADS * prompt.shape[1], contexts[0].size
        layout = {"differences": self.compiled, "by_tile": isinstance(self._drawing, FusedDrawing)}
        factors = Factors.taken(workspace, len(prompt), pairs, pixels, self._types.scoring, **layout)
        group = SCORED_TOGETHER[self._device.type]
        if not whole_groups:
            group = self._fitting(group, scratch_bytes(pixels, prompt.shape[1]))

        def transformed(scratch: Workspace, rows: slice) -> tuple[Tensor, Tensor]:
            transformer, weights = self._mask_decoder.transformer, self._weights
            part: TwoWayPass | FusedPass | TritonPass
            if self._matrices:
                part = FusedPass(self._matrices, weights, contexts[rows], scratch)
            elif self._launcher and self._launcher.scores(prompt.shape[1], self._types.scoring):
                part = TritonPass(transformer, weights, contexts[rows], scratch, self._launcher)
            else:
                part = TwoWayPass(transformer, weights, contexts[rows], scratch, group)
            tokens = part.run(prompt[rows], factors.group(rows))
            return tokens, self._mask_decoder.predicted_ious(tokens).float()

        tokens, ious = zip(*threads.map(transformed, shares), strict=True)
        return LaunchedScores(joined(ious), torch.cat(tokens), factors)  # the tokens may be part of a workspace

    def _prompt_tokens(self, coords: Tensor, labels: Tensor) -> Tensor:
        return self._mask_decoder.output_tokens(self._prompt_encoder(coords, labels))

    @torch.inference_mode()
    def draw(self, scored: ScoredPrompts, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """Draw the `masks` [n] of the prompts `rows` [n], ascending; both on the host.

        Logits have the precision's type. Masks are 0 to 3; a `RefinedMaskDecoder` also has `REFINED_ALONE`.
        """
        side = scored.contexts[0].side
        kernels = self._mask_kernels(scored.tokens, rows, masks)
        logits = kernels.new_empty(len(rows), 4 * side, 4 * side)
        prompts, counts = (part.tolist() for part in torch.unique_consecutive(rows, return_counts=True))
        each = self._drawing.bytes_per_prompt(scored.contexts[0].size, scored.tokens.shape[1])
        size = self._fitting(DRAWN_TOGETHER[self._device.type], each)
        ends = list(accumulate(counts, initial=0))

        def draw_group(scratch: Workspace, group: tuple[slice, ImageContext]) -> None:
            span, context = group
            chosen = prompts[span]
            factors = scored.factors.group(_rows(chosen, kernels.device))
            own = slice(ends[span.start], ends[span.stop])
            self._drawing.draw(context, factors, kernels[own], counts[span], logits[own], scratch)

        groups = list(image_groups([scored.contexts[prompt] for prompt in prompts], size))
        self._threads.map(draw_group, groups)
        return DrawnMasks(logits, self._mask_decoder.ious_of(scored.ious, rows, masks))

    def _mask_kernels(self, tokens: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        def of_share(_: Workspace, own: slice) -> Tensor:
            return self._mask_decoder.mask_kernels(tokens, rows[own], masks[own])

        shares = self._threads.shares(len(rows)) or [slice(0, 0)]
        return joined(self._threads.map(of_share, shares)).to(self._types.drawing)

    def _fitting(self, most: int, each: int) -> int:
        """Return the number of prompts to process at once: at most `most`, limited by free memory."""
        if most == 1:
            return 1
        fitting = memory_for_chunks(self._device) // each
        return most if fitting >= most else max(1, few_sizes(fitting))

    def release_memory(self) -> None:
        """Release the workspaces after a failure."""
        self._workspace.release()
        self._threads.release_memory()
        if self._captured is not None:
            self._captured.release_memory()


def innermost(decoder: Any) -> FoldedDecoder:
    """Return the decoder that others wrap as their `inner`."""
    while not isinstance(decoder, FoldedDecoder):
        decoder = decoder.inner
    return decoder


def _rows(prompts: Sequence[int], device: torch.device) -> slice | Tensor:
    """Return ascending `prompts` as a slice if they are consecutive, which copies nothing, else as an index."""
    first, last = prompts[0], prompts[-1]
    if last - first + 1 == len(prompts):
        return slice(first, last + 1)
    return to_device(torch.tensor(prompts), device)


def _layout(kernels: Kernels | None, scoring: torch.dtype) -> Layout:
    if kernels is None:
        return ByHead(scoring)
    return PairsByTile() if kernels.bfloat16 else ByTile()


def _launcher(device: torch.device, products: Products) -> Launcher | None:
    """Return the launcher of the GPU kernels; None if this process does not use them."""
    if gpu_kernels(device.type) is None:
        return None
    from samfleet_models.gpu_kernels.launch import Launcher

    return Launcher.on(device, products)


def _drawing(
    decoder: MaskDecoder,
    weights: FoldedWeights,
    dtype: torch.dtype,
    kernels: Kernels | None,
    launcher: Launcher | None,
) -> Drawing:
    if kernels and dtype == torch.float32:
        return FusedDrawing.of(decoder, weights, kernels)
    if isinstance(decoder, RefinedMaskDecoder):
        return RefinedDrawing.of(decoder, weights.up_scaling)
    fused = TritonDrawing.of(weights.up_scaling, launcher) if launcher and launcher.draws(dtype) else None
    return fused or PlainDrawing(weights.up_scaling)
