"""The engine's version. Needs no torch, so a command line can read it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from samfleet_kernels.sources import source_hash

FIGURES = 16


@cache
def engine_version() -> str:
    """Return a hash of the source of this package and of the CPU kernels.

    Any change of the source may change a bit of a mask, and a version number kept by hand goes out of date.
    """
    folder = Path(__file__).parent
    digest = hashlib.sha256(source_hash().encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:FIGURES]
