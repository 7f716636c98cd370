"""The language of the GPU kernels: the package `triton`, which torch's builds for CUDA install. Imports neither."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from samfleet_kernels.library import KernelsUnavailable, choice


def language_version() -> str | None:
    """Return the version of the package `triton`, read from its files; None if it is not installed."""
    spec = find_spec("triton")
    source = Path(spec.origin) if spec and spec.origin else None
    if source is None or not source.is_file():
        return None
    found = re.search(r"^__version__ *= *['\"]([^'\"]+)", source.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else None


def gpu_kernels(device: str) -> str | None:
    """Return the GPU kernels that this process chose, like `kernels_on`."""
    return kernels_on(device, choice())


def kernels_on(device: str, wanted: str) -> str | None:
    """Return the kernels for a `Choice` on a `device` of this type, such as "triton 3.8.0"; None for torch's operators.

    `auto` takes none: no GPU has been measured with them. Raise `KernelsUnavailable` if they are wanted and the device
    is no GPU or the package `triton` is not installed.
    """
    if wanted != "triton":
        return None
    if device != "cuda":
        raise KernelsUnavailable(
            f"SAMFLEET_KERNELS=triton names kernels for GPUs, and this process computes on {device}; "
            "set SAMFLEET_KERNELS to auto there"
        )
    version = language_version()
    if version is None:
        raise KernelsUnavailable(
            "SAMFLEET_KERNELS=triton needs the package triton, which torch's builds for CUDA install; "
            "install it, or set SAMFLEET_KERNELS to auto"
        )
    return f"triton {version}"
