"""COCO's uncompressed run lengths of a mask, column by column, as lists that JSON can carry."""

from __future__ import annotations

from typing import Any

import numpy as np


def run_lengths(mask: Any) -> dict[str, Any]:
    """Return {"size": [H, W], "counts"} of a boolean array or tensor [H, W]; run lengths are returned as they are."""
    if isinstance(mask, dict):
        counts = mask["counts"]
        text = counts.decode() if isinstance(counts, bytes) else counts
        return {"size": [int(side) for side in mask["size"]], "counts": text}
    pixels = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask).astype(bool)
    flat = pixels.T.reshape(-1)  # column by column
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate(([0], changes, [flat.size]))
    counts = np.diff(ends).tolist()
    starts_inside = bool(flat.size and flat[0])
    return {"size": list(pixels.shape), "counts": [0, *counts] if starts_inside else counts}
