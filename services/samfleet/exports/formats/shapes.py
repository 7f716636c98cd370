"""Geometries of masks with real holes, for formats of maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from samfleet.masks.polygons import Corners, parts_of

Place = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # corners [n, 2] of pixels to other coordinates


def geometry_of(segmentation: Mapping[str, Any], tolerance: float, place: Place | None = None) -> Any:
    """Return a polygon, or a multipolygon for a mask in parts; None for an empty mask.

    A polygon that crosses its hole after the simplification keeps every corner instead. Outer rings are
    counterclockwise in the coordinates of `place`; without it these are pixels, with y taken upwards.
    """
    found = _polygons(segmentation, tolerance)
    if not all(polygon.is_valid for polygon in found):
        found = _polygons(segmentation, 0.0)
    if not found:
        return None
    whole = found[0] if len(found) == 1 else shapely.MultiPolygon(found)
    placed = shapely.transform(whole, place) if place else whole
    return shapely.orient_polygons(placed, exterior_cw=False)


def _polygons(segmentation: Mapping[str, Any], tolerance: float) -> list[Any]:
    parts = parts_of(segmentation, tolerance, Corners.EDGES)
    return [shapely.Polygon(outer, holes) for outer, *holes in parts]
