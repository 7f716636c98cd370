"""The launches of a chunk's scoring as CUDA graphs: recorded once for each size of chunk, then replayed as one.

Scoring is hundreds of short kernels, which a fast GPU ends sooner than the host launches them. Drawing is not captured:
the number of masks differs from chunk to chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.threads import PromptThreads
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.gpu_memory import unused_in_pool
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.precision.compilation import captured

FEWEST_PROMPTS = 64  # of a captured chunk: smaller ones differ in size from image to image
MOST_GRAPHS = 2  # each keeps the factors of its chunk, 1 GB for 512 prompts in float32
Shape = tuple[torch.Size, torch.dtype, int]


@dataclass(frozen=True, slots=True)
class LaunchedScores:
    """P prompts after the transformer, on the device: predicted `ious` [P, 4] and the inputs for drawing."""

    ious: Tensor
    tokens: Tensor
    factors: Factors


Launch = Callable[[Sequence[ImageContext], Tensor, Tensor, Workspace, PromptThreads], LaunchedScores]


class CapturedScoring:
    """Replays `launch` for chunks whose prompts are all of one image. Sizes are captured when they occur."""

    def __init__(self, launch: Launch, device: torch.device) -> None:
        self._launch, self._device = launch, device
        self._chunks: dict[Shape, CapturedChunk] = {}
        self._too_large: set[Shape] = set()
        self._pool: Any = None
        self.graph_bytes = 0  # unused memory of the captured graphs

    def __call__(self, contexts: Sequence[ImageContext], coords: Tensor, labels: Tensor) -> LaunchedScores | None:
        """Return the scores, valid until the next call, or None for a chunk that is not captured."""
        context = contexts[0]
        if len(coords) < FEWEST_PROMPTS or any(other is not context for other in contexts):
            return None
        shape = coords.shape, coords.dtype, context.size
        if shape not in self._chunks and not self._add(shape, context, coords, labels):
            return None
        return self._chunks[shape](context, coords, labels)

    def _add(self, shape: Shape, context: ImageContext, coords: Tensor, labels: Tensor) -> bool:
        """Capture a chunk; return False if there are enough graphs, or too little memory for another one."""
        if shape in self._too_large or len(self._chunks) == MOST_GRAPHS:
            return False
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        chunk = attempt(lambda: CapturedChunk(self._launch, context, coords, labels, self._pool))
        if isinstance(chunk, NotEnoughMemory):
            self._too_large.add(shape)
            torch.cuda.empty_cache()
            return False
        self._chunks[shape] = chunk
        self.graph_bytes = unused_in_pool(self._pool)
        return True

    def release_memory(self) -> None:
        """Drop the graphs and their memory; they are captured again when needed."""
        self._chunks.clear()
        self._pool, self.graph_bytes = None, 0


class CapturedChunk:
    """The recorded launches of one size of chunk, with fixed buffers for the image's context and the prompts."""

    def __init__(self, launch: Launch, context: ImageContext, coords: Tensor, labels: Tensor, pool: Any) -> None:
        device = coords.device
        self._context, self._coords, self._labels = _copied(context), coords.clone(), labels.clone()
        workspace, threads = Workspace(device), PromptThreads(device)  # that nobody else enlarges
        contexts = [self._context] * len(coords)
        self._graph, self._launched = captured(
            lambda: launch(contexts, self._coords, self._labels, workspace, threads), device, pool
        )
        self._keep = workspace, threads

    def __call__(self, context: ImageContext, coords: Tensor, labels: Tensor) -> LaunchedScores:
        for own, other in zip(_tensors(self._context), _tensors(context), strict=True):
            own.copy_(other)
        self._coords.copy_(coords)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._launched


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in dataclasses and tuples, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _tensors(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))


def _copied(value: Any) -> Any:
    """Return a copy of dataclasses and tuples with copies of their tensors."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, tuple):
        return tuple(_copied(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _copied(getattr(value, field.name)) for field in fields(value)})
    return value
