"""Outlines of large masks, found from their runs: memory grows with the outline and not with the box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from samfleet.masks.runs import Runs

Ring = NDArray[np.float64]  # [corners, 2] x, y; the last corner is not the first one again


def rings_of_runs(mask: Runs) -> list[list[Ring]]:
    """Return the rings of each part of one mask along the edges of pixels: the outer one first, then its holes.

    Pixels that touch only at a corner belong to different parts. The inside is on the left, with y taken upwards.
    """
    whole = shapely.orient_polygons(shapely.union_all(_rectangles(mask)), exterior_cw=False)
    return [
        [_turns(ring) for ring in (part.exterior, *part.interiors)]
        for part in shapely.get_parts(whole)
        if not part.is_empty
    ]


def iou_of_rings(first: Sequence[Sequence[Ring]], second: Sequence[Sequence[Ring]]) -> float:
    """Return the IoU of two masks given by the rings of their parts; 0 if neither has an area."""
    one, other = _area_of(first), _area_of(second)
    shared, joined = shapely.area(shapely.intersection(one, other)), shapely.area(shapely.union(one, other))
    return float(shared / joined) if joined else 0.0


def _rectangles(mask: Runs) -> NDArray[Any]:
    """Return disjoint rectangles that cover the mask: runs of neighbouring columns with the same rows are one."""
    runs = mask.cut_at_columns()
    column, top = np.divmod(runs.start, mask.size[0])
    bottom = top + runs.stop - runs.start
    order = np.lexsort((column, bottom, top))
    column, top, bottom = column[order], top[order], bottom[order]
    opens = np.ones(len(column), dtype=bool)
    opens[1:] = (np.diff(column) != 1) | (np.diff(top) != 0) | (np.diff(bottom) != 0)
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(column)) - 1
    found: NDArray[Any] = shapely.box(column[first], top[first], column[last] + 1, bottom[first])
    return found


def _turns(ring: Any) -> Ring:
    """Return the corners at which a ring turns; the union also keeps some between them."""
    corners: Ring = shapely.get_coordinates(ring)[:-1]
    before = np.sign(corners - np.roll(corners, 1, axis=0))
    after = np.sign(np.roll(corners, -1, axis=0) - corners)
    turning: Ring = corners[(before != after).any(axis=1)]
    return turning


def _area_of(parts: Sequence[Sequence[Ring]]) -> Any:
    """Return a valid geometry of the parts that have an area."""
    polygons = shapely.make_valid([shapely.Polygon(outer, holes) for outer, *holes in parts])
    pieces = shapely.get_parts(shapely.get_parts(polygons))
    return shapely.union_all(pieces[shapely.area(pieces) > 0])
