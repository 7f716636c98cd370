"""The cost of drawing polygons: pycocotools allocates by the length of the outline, not by the image."""

from __future__ import annotations

from collections.abc import Sequence

MAX_OUTLINE = 1_000_000  # pixels along the polygons of one object: 80 MB while pycocotools draws them


def outline_length(polygons: Sequence[Sequence[float]]) -> float:
    """Pixels along the polygons, as pycocotools walks them: the longer of the two sides of each edge."""
    return sum(_length(polygon[0::2], polygon[1::2]) for polygon in polygons)


def _length(xs: Sequence[float], ys: Sequence[float]) -> float:
    return sum(max(abs(xs[i - 1] - xs[i]), abs(ys[i - 1] - ys[i])) for i in range(len(ys)))
