"""Which engine this is. Needs no torch, so that a command line can ask."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

FIGURES = 16


@cache
def engine_version() -> str:
    """A hash of this package's source: any change of it may change a bit of a mask, and a number kept by hand lies."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:FIGURES]
