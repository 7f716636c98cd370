"""The C++ sources, the flags that compile them, and the place of the library that is made of them."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "csrc"
# Sums keep their order, so that results do not depend on the compiler more than rounding does; products and sums fuse.
FLAGS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
    *("-fno-exceptions", "-fno-rtti", "-fPIC"),
)
# Flags of each instruction set, by name.
_AVX512 = ("-mavx512f", "-mavx512dq", "-mavx2", "-mfma")
X86: dict[str, tuple[str, ...]] = {
    "avx512bf16": (*_AVX512, "-mavx512bw", "-mavx512vl", "-mavx512bf16"),
    "avx512": _AVX512,
    "avx2": ("-mavx2", "-mfma"),
    "baseline": (),
}
ARM: dict[str, tuple[str, ...]] = {"neon": ()}
MACHINES = {"x86_64": X86, "aarch64": ARM, "arm64": ARM}
_FIGURES = 12


@cache
def source_hash() -> str:
    """Return a hash of the sources and of the flags."""
    digest = hashlib.sha256(repr((FLAGS, MACHINES)).encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_FIGURES]


def library_path() -> Path:
    """Return the path of the library; its name has the hash of the sources, so that no outdated one is loaded."""
    return Path(__file__).parent / "compiled" / f"kernels-{platform.machine()}-{source_hash()}.so"
