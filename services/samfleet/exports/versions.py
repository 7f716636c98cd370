from __future__ import annotations

import hashlib
from collections.abc import Iterable


def parts_version(parts: Iterable[str]) -> str:
    """Return a hash of the parts of a run, by their keys: a part never changes, and its key is used once."""
    digest = hashlib.sha256()
    for key in parts:
        digest.update(f"{key}\n".encode())
    return digest.hexdigest()
