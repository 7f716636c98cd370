"""The hardware and software that this process computes on, as a flat record."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from samfleet.variants.execution import Execution
from samfleet_kernels.gpu import gpu_kernels
from samfleet_kernels.library import choose, chosen

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
NVIDIA_VERSION = Path("/proc/driver/nvidia/version")


def choose_device(wanted: str, gpu: int = 0) -> torch.device:
    """Return the device for `wanted`: auto, cpu, cuda (the GPU of index `gpu`) or cuda:N.

    auto takes the GPU if CUDA works.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device("cuda", gpu) if wanted == "cuda" else torch.device(wanted)


def prepare_device(device: torch.device, threads: int | None, kernels: str | None = None) -> None:
    """Apply process-wide settings: the GPU in use, true float32 on it, threads on the CPU, and the decoders' kernels.

    `threads` None keeps torch's number, `kernels` None the process's choice. Raises `KernelsUnavailable`. By
    default cuDNN convolves float32 in TF32, with errors of 1e-3 that change which masks pass a threshold, and cuBLAS
    may add parts of a product of halves in half precision.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if kernels is not None:
        choose(kernels)
        gpu_kernels(device.type)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.allow_tf32 = False  # must precede the newer setting, or reading this one raises
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # made at import
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


def fingerprint(
    device: torch.device, triton_version: str | None = None, execution: Execution | None = None
) -> dict[str, Any]:
    """Return the hardware record of the reports; equal records mean comparable timings."""
    execution = execution or Execution()
    cuda = device.type == "cuda"
    properties = torch.cuda.get_device_properties(device) if cuda else None
    return {
        "device_kind": device.type,
        "device_name": properties.name if properties else _cpu_model(),
        "device_memory_bytes": properties.total_memory if properties else _host_memory_bytes(),
        "driver": _nvidia_driver() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "torch": torch.__version__,
        "triton": triton_version,
        "precision": execution.precision,
        "compilation": execution.compilation,
        "cpu_model": _cpu_model(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "kernels": _kernels(device),
    }


def _kernels(device: torch.device) -> str | None:
    """Return the name of the decoders' kernels; None for torch's operators on a GPU, "torch" for those on a CPU."""
    named = gpu_kernels(device.type)
    if named is not None or device.type == "cuda":
        return named
    compiled = chosen()
    return compiled.instructions if compiled else "torch"


def _cpu_model() -> str:
    """Return the processor's name. On ARM Linux tells its maker and design as numbers only: "aarch64 0x41 0xd0c"."""
    if names := _proc_values(CPUINFO, "model name"):
        return names[0]
    if parts := _proc_values(CPUINFO, "CPU part"):
        return " ".join((platform.machine(), *_proc_values(CPUINFO, "CPU implementer")[:1], parts[0]))
    return platform.processor() or platform.machine()


def cpu_flags() -> str:
    """Return the names of the processor's instruction sets, empty where the system does not tell them."""
    flags = _proc_values(CPUINFO, "flags") or _proc_values(CPUINFO, "Features")  # the second on ARM
    return flags[0] if flags else ""


def _host_memory_bytes() -> int | None:
    totals = _proc_values(MEMINFO, "MemTotal")
    return int(totals[0].split()[0]) * 1024 if totals else None


def _nvidia_driver() -> str | None:
    """Read the version in "NVRM version: NVIDIA UNIX x86_64 Kernel Module  560.35.03  Fri Aug 16 ..."."""
    if not NVIDIA_VERSION.exists():
        return None
    words = NVIDIA_VERSION.read_text().split("\n", 1)[0].split()
    return next((word for word in words if word.count(".") >= 1 and word.replace(".", "").isdigit()), None)


def _proc_values(path: Path, name: str) -> list[str]:
    if not path.exists():
        return []
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    return [value.strip() for key, _, value in pairs if key.strip() == name]
