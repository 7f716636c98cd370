"""A seeded sample of images, the same on every machine."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256


def sampled(image_ids: Collection[int], limit: int | None, seed: int) -> frozenset[int]:
    """Return `limit` of the ids, or all for None: those with the smallest SHA-256 of "seed:id".

    The sample of a smaller limit is part of that of a larger one. The order of `image_ids` does not matter.
    """
    if limit is None or limit >= len(image_ids):
        return frozenset(image_ids)
    return frozenset(sorted(image_ids, key=lambda image_id: _rank(seed, image_id))[:limit])


def _rank(seed: int, image_id: int) -> bytes:
    return sha256(f"{seed}:{image_id}".encode()).digest()
