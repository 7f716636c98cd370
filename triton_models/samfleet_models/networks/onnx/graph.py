"""One ONNX graph in ONNX Runtime. Its inputs and outputs are checked when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samfleet.errors import SamfleetError
from samfleet_models.device.gpu_memory import usable_bytes

Array = NDArray[Any]
TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
CUDA = "CUDAExecutionProvider"
MEMORY_SHARE = 0.5  # share of this process's GPU memory: a variant has two graphs, each with its own arena
ALLOCATION_FAILURES = ("failed to allocate", "bad_alloc", "out of memory", "alloc_failed")


class GraphUnreadable(SamfleetError):
    """The file is not an ONNX graph that this ONNX Runtime can run."""

    code = "onnx_unreadable"


class GraphMismatch(SamfleetError):
    """The graph has other inputs or outputs than its record says."""

    code = "onnx_mismatch"


class GraphFailed(SamfleetError):
    """The graph cannot compute its inputs; its encoder, input size or names may belong to another export."""

    code = "onnx_failed"


class GraphNeedsGpuRuntime(SamfleetError):
    """The installed ONNX Runtime has no CUDA; install `onnxruntime-gpu` or serve with SAMFLEET_DEVICE=cpu."""

    code = "onnx_gpu_runtime_missing"


class GraphFellBack(SamfleetError):
    """ONNX Runtime could not start CUDA and would run the graph on the CPU; install an `onnxruntime-gpu` that is built
    for the CUDA and cuDNN of this torch, or serve with SAMFLEET_DEVICE=cpu.
    """

    code = "onnx_gpu_fell_back"


@dataclass(frozen=True, slots=True)
class Port:
    """An input: its type, and its shape, with None for sides that the graph leaves open."""

    dtype: type[np.generic]
    shape: tuple[int | None, ...]


class Graph:
    """Computes on `device`. On a CPU it uses as many threads as torch, which sleep when idle, as torch's do."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path = path
        self._session = _open(path, device)
        self.inputs = {port.name: _port(port, path) for port in self._session.get_inputs()}
        self._outputs = [port.name for port in self._session.get_outputs()]

    def require(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Check that the inputs are exactly these and that the outputs include these."""
        takes, gives = set(inputs), set(outputs)
        if takes != self.inputs.keys() or not gives <= set(self._outputs):
            raise GraphMismatch(
                f"{self.path.name} takes {_listed(self.inputs)} and gives {_listed(self._outputs)}; its record says "
                f"that it takes {_listed(takes)} and gives {_listed(gives)}: correct the names in the record"
            )

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        """Return arrays of the graph's own types; `feeds` are converted to the types of its inputs."""
        fed = {name: np.ascontiguousarray(array, self.inputs[name].dtype) for name, array in feeds.items()}
        try:
            found: list[Array] = self._session.run(list(outputs), fed)
        except Exception as error:
            if any(words in str(error).lower() for words in ALLOCATION_FAILURES):
                raise MemoryError(str(error)) from error
            raise GraphFailed(f"{self.path.name} failed in ONNX Runtime: {error}") from error
        return found


def _open(path: Path, device: torch.device) -> Any:
    import onnxruntime

    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if CUDA not in onnxruntime.get_available_providers():
            raise GraphNeedsGpuRuntime
        providers.insert(0, (CUDA, cuda_options(device)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # exports warn about unused initialisers
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        raise GraphUnreadable(f"{path} cannot be run by ONNX Runtime {onnxruntime.__version__}: {error}") from error
    session.disable_fallback()  # else a run that fails on the GPU recreates the session on the CPU and continues there
    if device.type == "cuda" and CUDA not in session.get_providers():
        raise GraphFellBack(
            f"{path.name} would run on {', '.join(session.get_providers())} and not on {device}: ONNX Runtime "
            f"{onnxruntime.__version__} could not start CUDA with torch {torch.__version__}, which is built for CUDA "
            f"{torch.version.cuda}; install an onnxruntime-gpu for that CUDA, or serve with SAMFLEET_DEVICE=cpu"
        )
    return session


def cuda_options(device: torch.device) -> dict[str, Any]:
    """Return the CUDA provider's options: true float32, no exhaustive search of cuDNN's kernels, an arena with a limit.

    By default the search takes the largest available workspace, and the arena doubles with each growth and never
    shrinks. Neither is visible to torch or to the check of free memory.
    """
    return {
        "device_id": device.index or 0,
        "use_tf32": 0,
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": int(MEMORY_SHARE * usable_bytes(device)),
    }


def _port(port: Any, path: Path) -> Port:
    dtype = TYPES.get(port.type)
    if dtype is None:
        raise GraphMismatch(f"{path.name} takes {port.name} as {port.type}; known types are {', '.join(TYPES)}")
    return Port(dtype, tuple(side if isinstance(side, int) else None for side in port.shape))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
