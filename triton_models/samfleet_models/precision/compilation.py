"""An image encoder compiled or captured for fixed batch sizes, before the first request needs it.

`compile` is torch's compiler: kernels generated for these exact shapes, on a CPU kept as packages. `cuda_graphs`
records the encoder's launches and replays them as one, which relieves the host: one batch of an efficient encoder is
hundreds of short kernels. The decoder's scoring is captured when it is first needed
(`samfleet_models.decoder.captured_scoring`).
"""

from __future__ import annotations

import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from samfleet.errors import SamfleetError
from samfleet_models.device.gpu_memory import unused_in_pool
from samfleet_models.modeling.common import Features
from samfleet_models.precision.packages import PackagedEncoder, packages_folder

Encode = Callable[[Tensor], Features]
Result = TypeVar("Result")

LARGEST_BATCH = 8  # Triton's default batch size; larger batches are split
RUNS_BEFORE_CAPTURE = 3  # libraries choose kernels and allocate workspaces, which is not allowed during capture


class GraphsNeedCuda(SamfleetError):
    """CUDA graphs need a CUDA device; choose `compile` or no compilation for this variant."""

    code = "graphs_need_cuda"


class PythonHeadersMissing(SamfleetError):
    """Compiling needs the headers of this Python; install them (Debian: python3-dev), or choose no compilation."""

    code = "python_headers_missing"


class CompilerMissing(SamfleetError):
    """Compiling needs a C++ compiler; install g++, name one in CXX, or choose no compilation."""

    code = "compiler_missing"


@dataclass(frozen=True, slots=True)
class Exported:
    """An encoder as a module, which can be exported, and what identifies it besides its weights."""

    module: nn.Module
    identity: Mapping[str, object]


class CompiledEncoder:
    """Encodes any number of images in batches of the prepared `sizes`, largest first; `sizes` must include 1."""

    def __init__(
        self,
        encode: Encode,
        compilation: str,
        device: torch.device,
        side: int,
        sizes: Sequence[int],
        channels: int = 3,
        exported: Exported | None = None,
    ) -> None:
        """Check the requirements. `encode` takes pixels [B, channels, side, side] float32 on `device`.

        `compilation` is compile or cuda_graphs. `exported` is `encode` in the form that packages are made of; on a CPU
        `compile` then loads packages, and builds missing ones.
        """
        if compilation == "cuda_graphs" and device.type != "cuda":
            raise GraphsNeedCuda(
                f"CUDA graphs need a CUDA device, and this variant runs on {device}; choose `compile` or no compilation"
            )
        if compilation == "compile":
            require_compiler()
            require_headers()
        self._encode, self._device, self._shape = encode, device, (channels, side, side)
        self._exported = exported if device.type == "cpu" else None
        self._prepare = {"compile": self._compile, "cuda_graphs": self._capture}[compilation]
        self._sizes = sorted(sizes, reverse=True)
        self._prepared: dict[int, Encode] = {}
        self.graph_bytes = 0  # unused memory of the captured graphs, once warmed up

    @torch.inference_mode()
    def warm_up(self) -> float:
        """Prepare all sizes and run each once. Return the seconds that this took, which may be minutes on a CPU."""
        begun = time.perf_counter()
        self._prepared = self._prepare()
        for size in self._sizes:
            self._prepared[size](self._blank(size))
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - begun

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Features:
        if not self._prepared:
            raise RuntimeError("the encoder was not warmed up")
        parts = torch.split(pixels, list(self._cut(len(pixels))))
        features = [self._prepared[len(part)](part) for part in parts]
        if len(features) == 1:
            return features[0]
        return tuple(torch.cat(own) for own in zip(*features, strict=True))

    def _cut(self, count: int) -> Iterator[int]:
        for size in self._sizes:
            whole, count = divmod(count, size)
            yield from [size] * whole

    def _blank(self, size: int) -> Tensor:
        return torch.zeros(size, *self._shape, device=self._device)

    def _compile(self) -> dict[int, Encode]:
        """Load packages, or compile in isolation: torch allows 8 variants of a function's code over all encoders."""
        if self._exported is not None:
            module, identity = self._exported.module, self._exported.identity
            folder = packages_folder()
            return {size: PackagedEncoder(module, self._blank(size), identity, folder) for size in self._sizes}
        compiled = torch.compile(self._encode, dynamic=False, fullgraph=True, isolate_recompiles=True)  # type: ignore[call-overload]  # torch's overloads lack the last argument
        return dict.fromkeys(self._sizes, compiled)

    def _capture(self) -> dict[int, Encode]:
        """Capture the largest size first: the others, which never run concurrently, then reuse its memory."""
        pool = torch.cuda.graph_pool_handle()
        captured: dict[int, Encode] = {
            size: CapturedBatch(self._encode, self._blank(size), pool) for size in self._sizes
        }
        self.graph_bytes = unused_in_pool(pool)
        return captured


class CapturedBatch:
    """The recorded launches of `encode` for one batch size, with fixed buffers for `pixels` and features."""

    def __init__(self, encode: Encode, pixels: Tensor, pool: Any) -> None:
        self._pixels = pixels
        self._graph, self._features = captured(lambda: encode(pixels), pixels.device, pool)

    def __call__(self, pixels: Tensor) -> Features:
        self._pixels.copy_(pixels)
        self._graph.replay()
        return tuple(features.clone() for features in self._features)


def captured(work: Callable[[], Result], device: torch.device, pool: Any) -> tuple[torch.cuda.CUDAGraph, Result]:
    """Return the recorded launches of `work`, and its result, whose tensors every replay writes again.

    `work` must find its inputs in the same memory each time.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # untyped in torch
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(RUNS_BEFORE_CAPTURE):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        result = work()
    return graph, result


def batch_sizes(most: int) -> list[int]:
    """Return the powers of two up to `most` or `LARGEST_BATCH`: few to prepare, and no batch is padded."""
    return [2**power for power in range(min(most, LARGEST_BATCH).bit_length())]


def require_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise CompilerMissing from error


def require_headers() -> None:
    """Raise `PythonHeadersMissing` if Python's headers are missing.

    Compiled code, on CPU and GPU, is called through Python's C interface.
    """
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        raise PythonHeadersMissing(
            f"{header} is missing, which compiling needs; install Python's headers "
            f"(Debian: python{sysconfig.get_python_version()}-dev), or choose no compilation"
        )
