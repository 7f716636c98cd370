"""Tiles for prompts on a large image: each prompt is answered in one tile, or in a crop around it.

The *extent* of a prompt is the box of its points and its box. It lies in a window *with margin* if the window also has
`overlap` pixels around it, as far as the image goes.

- A prompt goes to the tile of the grid that holds it with margin; of several to the one with the nearest centre.
- If there is none, it goes to a crop as large as a tile with the extent in its middle. Later prompts that such a crop
  holds with margin share it.
- An extent that is too large for that gets a crop of its extent with margin, scaled down to the size of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from samfleet.variants.task import Prompt
from samfleet.variants.tiling import MOST_TILES, ImageTooManyTiles, Tiling, Window


@dataclass(frozen=True, slots=True)
class PromptTile:
    """A window of the image, and the places of its prompts; it is sent with `size` (width, height) pixels."""

    window: Window
    size: tuple[int, int]
    prompts: tuple[int, ...]

    def moved(self, prompt: Prompt) -> Prompt:
        """Return a prompt of the image in pixels of the picture that is sent."""
        left, top, right, bottom = self.window
        wide, high = self.size[0] / (right - left), self.size[1] / (bottom - top)
        points = tuple(((x - left) * wide, (y - top) * high) for x, y in prompt.points)
        box = prompt.box
        if box is not None:
            box = ((box[0] - left) * wide, (box[1] - top) * high, (box[2] - left) * wide, (box[3] - top) * high)
        return Prompt(points, prompt.labels, box, prompt.multimask)


def place_prompts(prompts: Sequence[Prompt], size: tuple[int, int], tiling: Tiling) -> tuple[PromptTile, ...]:
    """Return the tiles with the prompts of an image of `size` (width, height): those of the grid first, then crops.

    Without prompts one tile is returned. Raises `ImageTooManyTiles`.
    """
    grid = np.array(tiling.windows(*size), dtype=np.int64)
    tiles: dict[Window, list[int]] = {}
    crops: dict[Window, list[int]] = {}
    for place, prompt in enumerate(prompts):
        extent = _extent(prompt, size)
        wanted = _with_margin(extent, tiling.overlap, size)
        if (window := _holding(grid, wanted, extent)) is not None:
            tiles.setdefault(window, []).append(place)
            continue
        made = np.array([crop for crop in crops if _is_whole(crop, tiling.size)], dtype=np.int64).reshape(-1, 4)
        crop = _holding(made, wanted, extent) or _crop(wanted, extent, tiling.size, size)
        crops.setdefault(crop, []).append(place)
    found = [*sorted(tiles.items(), key=lambda tile: (tile[0][1], tile[0][0])), *crops.items()]
    if len(found) > MOST_TILES:
        raise ImageTooManyTiles(
            f"the prompts of the image need {len(found)} tiles of {tiling.size} pixels, the limit is {MOST_TILES}; "
            "choose larger tiles"
        )
    if not found:
        found = [(_window(grid[0]), [])]
    return tuple(PromptTile(window, _sent_size(window, tiling.size), tuple(places)) for window, places in found)


def _extent(prompt: Prompt, size: tuple[int, int]) -> Window:
    """Return the pixels of the image between the prompt's points and corners, at least one."""
    corners = [*prompt.points, *((prompt.box[:2], prompt.box[2:]) if prompt.box is not None else ())]
    xs, ys = ([corner[axis] for corner in corners] for axis in (0, 1))
    (left, right), (top, bottom) = (
        (min(max(floor(min(values)), 0), length - 1), min(max(ceil(max(values)), 1), length))
        for values, length in ((xs, size[0]), (ys, size[1]))
    )
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _with_margin(extent: Window, margin: int, size: tuple[int, int]) -> Window:
    left, top, right, bottom = extent
    return max(left - margin, 0), max(top - margin, 0), min(right + margin, size[0]), min(bottom + margin, size[1])


def _holding(windows: NDArray[np.int64], wanted: Window, extent: Window) -> Window | None:
    """Return the window that holds `wanted` and whose centre is nearest to that of `extent`; the first of equals."""
    inside = ((windows[:, :2] <= wanted[:2]) & (windows[:, 2:] >= wanted[2:])).all(axis=1)
    if not inside.any():
        return None
    held = windows[inside]
    twice = held[:, :2] + held[:, 2:] - np.add(extent[:2], extent[2:])
    return _window(held[(twice**2).sum(axis=1).argmin()])


def _crop(wanted: Window, extent: Window, side: int, size: tuple[int, int]) -> Window:
    """Return a square as large as a tile with `extent` in its middle, or larger to hold `wanted`, inside the image."""
    side = max(side, wanted[2] - wanted[0], wanted[3] - wanted[1])
    (left, right), (top, bottom) = (
        _centred((extent[axis] + extent[axis + 2]) // 2, side, wanted[axis], wanted[axis + 2], size[axis])
        for axis in (0, 1)
    )
    return left, top, right, bottom


def _centred(middle: int, side: int, low: int, high: int, length: int) -> tuple[int, int]:
    """Return a stretch of `side` around `middle` that holds `low` to `high`, moved or cut to lie within `length`."""
    start = min(max(middle - side // 2, high - side), low)
    start = max(min(start, length - side), 0)
    return start, min(start + side, length)


def _is_whole(window: Window, side: int) -> bool:
    """Return True if the window is sent without scaling."""
    return max(window[2] - window[0], window[3] - window[1]) <= side


def _sent_size(window: Window, side: int) -> tuple[int, int]:
    width, height = window[2] - window[0], window[3] - window[1]
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _window(values: NDArray[np.int64]) -> Window:
    left, top, right, bottom = values.tolist()
    return left, top, right, bottom
