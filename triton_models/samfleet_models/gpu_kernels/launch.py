"""Launches the kernels on tensors, and adds the shares of a prompt in a sweep."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import triton
from torch import Tensor

from samfleet.variants.execution import Products
from samfleet_models.gpu_kernels import sweeps
from samfleet_models.gpu_kernels.drawing import drawing
from samfleet_models.gpu_kernels.limits import (
    DRAWING_CANDIDATES,
    DRAWN_ROWS,
    LARGEST_TOKENS,
    SHARED_BYTES,
    Blocks,
    block_of,
    drawing_bytes,
)
from samfleet_models.gpu_kernels.tuning import Run, Shape, Tuning, cache_folder, source_hash
from samfleet_models.modeling.transformer import HEADS

CHANNELS = 16  # of a head
STATE = 2 + CHANNELS  # numbers of a row's softmax: the greatest logit, the total, the attended values
WAVES = 2  # programs for each multiprocessor, so that none waits long for the last ones


@dataclass(frozen=True, slots=True)
class Launcher:
    """Launches kernels on a device of `processors` that give a program `shared_bytes` of shared memory.

    `input_precision` rounds the operands of float32 products.

    `tuning` chooses the blocks; without it the defaults are used. Blocks of full float32 products are not tuned: the
    compiler takes up to a minute for each.
    "ieee" keeps float32, "tf32" takes 10 bits of the mantissa, "tf32x3" adds the products with the remainders.
    """

    input_precision: Products
    processors: int
    shared_bytes: int = SHARED_BYTES
    tuning: Tuning | None = None

    @classmethod
    def on(cls, device: torch.device, input_precision: Products = "ieee") -> Launcher:
        if device.type != "cuda":
            return cls(input_precision, processors=1)
        properties = torch.cuda.get_device_properties(device)
        machine = {"device": properties.name, "triton": triton.__version__, "source": source_hash()}
        tuning = Tuning(cache_folder(), machine, partial(milliseconds, device=device))
        shared_bytes = properties.shared_memory_per_block_optin  # type: ignore[attr-defined]  # torch's stub lacks it
        return cls(input_precision, properties.multi_processor_count, shared_bytes, tuning)

    def scores(self, tokens: int, dtype: torch.dtype) -> bool:
        """Return True if the device has the memory for the sweeps of prompts of `tokens`."""
        return tokens <= LARGEST_TOKENS and bool(Blocks.candidates(tokens, dtype.itemsize, self.shared_bytes))

    def draws(self, dtype: torch.dtype) -> bool:
        """Return True if the device has the shared memory for drawing."""
        return drawing_bytes(DRAWING_CANDIDATES[0], dtype.itemsize) <= self.shared_bytes

    def first(self, queries: Tensor, tables: Sequence[Tensor], seen: Tensor) -> None:
        """Write `seen` [P, H, T, 16], the first token-to-image attention; `tables` are keys and values [H, 16, N]."""
        self._run(sweeps.first, (queries, *tables), (), seen, None, tables[0].shape[2])

    def second(
        self, prompts: Sequence[Tensor], image: Sequence[Tensor], epsilon: float, outs: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        """Write r₀ [P, 1, N], gathered factors [P, J, J] and attended values [P, H, T, 16].

        `prompts` are the keys and doubled values of the early tokens, the products of their updates, queries, and
        queries against the updates. `image` are the tables of early queries, echoes, keys, position keys and values,
        and the norms [1, N].
        """
        scale, gathered, seen = outs
        self._run(sweeps.second, (*prompts, *image, scale), (epsilon,), seen, gathered, scale.shape[2])

    def third(
        self,
        prompts: Sequence[Tensor],
        image: Sequence[Tensor],
        epsilon: float,
        outs: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> None:
        """Write the factors [P, 2 J + 1, N], r₁ r₀ [P, 1, N], gathered factors and attended values.

        `prompts` are early and late keys, early and late doubled values, late keys against the early updates, the
        products of all updates, queries, and queries against all updates. `image` are the tables of early, late and
        position queries, early and late echoes, keys, position keys and values, shift and norms [1, N], and r₀ of the
        prompts, which is another tensor than r₁ r₀.
        """
        factors, scale, gathered, seen = outs
        self._run(sweeps.third, (*prompts, *image, factors, scale), (epsilon,), seen, gathered, scale.shape[2])

    def draw(
        self,
        prompts: tuple[Tensor, Tensor, Tensor],
        first: Tensor,
        constants: Tensor,
        terms: Tensor | None,
        weights: tuple[Tensor, Tensor, Tensor, Tensor],
        epsilon: float,
        masks: tuple[Tensor, Tensor, int],
        out: Tensor,
    ) -> None:
        """Write the logits `out` [k, 4 * side, 4 * side] of the masks of g prompts of one image.

        `prompts` are their factors [g, R, N], scales [g, 1, N] and projected factors [g, R, 256]. `first` [N, 256],
        `constants` [N, 256], which may be one row for all, and `terms` [N * 4, 128] are those of `PixelTerms`.
        `weights` are those of the norm and of the second convolution with their biases. `masks` are the kernels [k,
        32], the first kernel of each prompt and the end, int32, and the most kernels of a prompt.
        """
        kernels, starts, most = masks
        require_contiguous((*prompts, first, *weights, kernels, starts, out, *([] if terms is None else [terms])))
        count, rows, pixels = prompts[0].shape
        padded, size = triton.next_power_of_2(most), out.dtype.itemsize

        def launch(blocks: Blocks) -> None:
            drawing[count, triton.cdiv(pixels, blocks.tile)](
                *prompts, first, constants, *weights, constants if terms is None else terms, kernels, starts, out,
                rows, pixels, out.shape[1] // 4, constants.stride(0), epsilon,
                has_terms=terms is not None, masks=padded, tile=blocks.tile, depth=DRAWN_ROWS,
                input_precision=self.input_precision, widen=must_widen(out),
                num_warps=blocks.warps, num_stages=blocks.stages,
            )  # fmt: skip

        shape = {"kernel": "drawing", "rows": rows, "pixels": pixels, "masks": padded, "type": str(out.dtype)}
        fitting = [blocks for blocks in DRAWING_CANDIDATES if drawing_bytes(blocks, size) <= self.shared_bytes]
        launch(self._blocks(shape, count, out.dtype, fitting, launch))

    def _run(
        self,
        kernel: Any,
        tensors: Sequence[Tensor],
        numbers: Sequence[float],
        seen: Tensor,
        gathered: Tensor | None,
        pixels: int,
    ) -> None:
        """Launch a sweep of [P, H, T, 16] prompts and write the sums of its shares into `seen` and `gathered`."""
        require_contiguous(tensors)
        prompts, _, tokens, _ = seen.shape
        pairs, dtype = HEADS * tokens, tensors[0].dtype

        def launch(blocks: Blocks) -> None:
            tiles = triton.cdiv(pixels, blocks.tile)
            each = tiles_of_a_part(prompts, tiles, self.processors)
            parts = triton.cdiv(tiles, each)
            state = seen.new_empty(prompts, parts, pairs * STATE, dtype=torch.float32)
            shares = [] if gathered is None else [gathered.new_empty(prompts, parts, *gathered.shape[1:])]
            kernel[prompts, parts](
                *tensors, *shares, state, pixels, each, *numbers,
                tokens=tokens, block=block_of(tokens), tile=blocks.tile,
                input_precision=self.input_precision, widen=must_widen(tensors[0]),
                num_warps=blocks.warps, num_stages=blocks.stages,
            )  # fmt: skip
            weights = part_weights(state, pairs)
            values = state[:, :, 2 * pairs :].view(prompts, parts, pairs, CHANNELS)
            torch.sum(values * weights, 1, out=seen.view(prompts, pairs, CHANNELS))
            if gathered is not None:
                torch.sum(shares[0] * weights, 1, out=gathered)

        shape = {"kernel": kernel.__name__, "tokens": tokens, "pixels": pixels, "type": str(dtype)}
        fitting = Blocks.candidates(tokens, dtype.itemsize, self.shared_bytes)
        launch(self._blocks(shape, prompts, dtype, fitting, launch))

    def _blocks(
        self, shape: Shape, prompts: int, dtype: torch.dtype, candidates: Sequence[Blocks], launch: Run
    ) -> Blocks:
        """Return the tuned blocks of a shape, by the power of two of its prompts, or the first candidate."""
        if self.tuning is None or (dtype == torch.float32 and self.input_precision == "ieee"):
            return candidates[0]
        whole = {**shape, "products": self.input_precision, "prompts": triton.next_power_of_2(prompts)}
        return self.tuning.best(whole, candidates, launch)


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Run `work` and return how long it took, until the device has finished."""
    torch.cuda.synchronize(device)
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) * 1e3


def part_weights(state: Tensor, pairs: int) -> Tensor:
    """Return [P, S, J, 1]: the factor of each of S shares in a prompt's sums, which divides by the total."""
    greatest, total = state[:, :, :pairs], state[:, :, pairs : 2 * pairs]
    share = torch.exp(greatest - greatest.amax(1, keepdim=True))
    return (share / (share * total).sum(1, keepdim=True))[..., None]


def tiles_of_a_part(prompts: int, tiles: int, processors: int) -> int:
    """Return how many tiles a program takes, so that all multiprocessors have programs, however few the prompts."""
    parts = triton.cdiv(WAVES * processors, prompts)
    return int(triton.cdiv(tiles, min(parts, tiles)))


def must_widen(x: Tensor) -> bool:
    """Return True for bfloat16 on a CPU: Triton's interpreter has no products of it. Those of a GPU are as exact."""
    return x.device.type == "cpu" and x.dtype == torch.bfloat16


def require_contiguous(tensors: Sequence[Tensor]) -> None:
    """Raise TypeError for a tensor that the kernels would read wrongly, which is a defect of this package."""
    for x in tensors:
        if not x.is_contiguous():
            raise TypeError(f"the kernels need contiguous tensors, not strides {x.stride()} of {tuple(x.shape)}")
