"""Tiles of a large image: a parameter of a job's task, `{"tile": {"size": 1024, "overlap": 128}}`.

The network never sees it: each tile is sent as a separate picture, and the masks are merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from samfleet.image_errors import ImageFailed
from samfleet.variants.task import TaskInvalid, check_integer

LEAST_SIZE, MOST_SIZE = 256, 8192
LEAST_OVERLAP_SHARE = 32  # of the size; a narrower strip shows too little of a mask to compare it
DEFAULT_OVERLAP_SHARE = 8
MOST_TILES = 4096  # of an image: 44,000 x 44,000 pixels in tiles of 1,024 with an overlap of 320

Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the upright image, maxima exclusive


class ImageTooManyTiles(ImageFailed):
    """The image needs more tiles than an image may have; choose larger tiles or less overlap."""

    code = "image_too_many_tiles"


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles of `size` pixels a side, of which neighbours share `overlap` pixels or a little more."""

    size: int
    overlap: int

    @classmethod
    def of(cls, values: object) -> Self:
        """Parse the parameter `tile`. Raises `TaskInvalid`."""
        if not isinstance(values, Mapping) or "size" not in values or set(values) - {"size", "overlap"}:
            raise TaskInvalid(f"tile is {values!r}; it is an object with size and, if you like, overlap, in pixels")
        size = values["size"]
        check_integer("tile size", size, LEAST_SIZE, MOST_SIZE)
        overlap = values.get("overlap", size // DEFAULT_OVERLAP_SHARE)
        check_integer("tile overlap", overlap, size // LEAST_OVERLAP_SHARE, size // 2)
        return cls(size, overlap)

    def to_dict(self) -> dict[str, int]:
        return {"size": self.size, "overlap": self.overlap}

    def windows(self, width: int, height: int) -> tuple[Window, ...]:
        """Return the tiles of an image, row by row; one for an image that is no larger than a tile.

        They are spread evenly from edge to edge, so that neighbours may share more than `overlap`. Raises
        `ImageTooManyTiles`.
        """
        columns, rows = self._count(width), self._count(height)
        if columns * rows > MOST_TILES:
            raise ImageTooManyTiles(
                f"the image of {width} x {height} pixels needs {columns * rows} tiles of {self.size} pixels, the limit "
                f"is {MOST_TILES}; choose larger tiles or less overlap"
            )
        return tuple(
            (x, y, min(x + self.size, width), min(y + self.size, height))
            for y in self._starts(height, rows)
            for x in self._starts(width, columns)
        )

    def _count(self, length: int) -> int:
        return 1 if length <= self.size else -(-(length - self.overlap) // (self.size - self.overlap))

    def _starts(self, length: int, count: int) -> list[int]:
        if count == 1:
            return [0]
        return [place * (length - self.size) // (count - 1) for place in range(count)]


def split_tile(task: Mapping[str, Any]) -> tuple[dict[str, Any], Tiling | None]:
    """Return a job's task without `tile`, and the tiling. Raises `TaskInvalid`."""
    rest = {name: value for name, value in task.items() if name != "tile"}
    return rest, Tiling.of(task["tile"]) if task.get("tile") is not None else None
