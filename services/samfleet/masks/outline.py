"""Cost of drawing polygons: pycocotools allocates memory by the length of the outline, not by the image size."""

from __future__ import annotations

from collections.abc import Sequence

MAX_OUTLINE = 1_000_000  # pixels along the polygons of one object; pycocotools takes 80 MB to draw them


def outline_length(polygons: Sequence[Sequence[float]]) -> float:
    """Return the pixels along the polygons as pycocotools counts them: the longer of the two sides of each edge."""
    return sum(_length(polygon[0::2], polygon[1::2]) for polygon in polygons)


def _length(xs: Sequence[float], ys: Sequence[float]) -> float:
    return sum(max(abs(xs[i - 1] - xs[i]), abs(ys[i - 1] - ys[i])) for i in range(len(ys)))
