"""Polygons of masks, in pixels of the upright image.

Contours come from contourpy, which is small and works with numpy 1 and 2; shapely simplifies them. Masks with a large
box are not drawn for `Corners.EDGES` (`samfleet.masks.run_outlines`). Pixels that touch only at a corner belong to
different parts. A hole is joined to its part by a slit of no width, so one ring describes both and the even-odd rule
fills it as the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from samfleet.masks.run_outlines import Ring, iou_of_rings, rings_of_runs
from samfleet.masks.run_sets import drawn_in_box, runs_of_code

Bits = NDArray[np.bool_]  # [height, width]

LOWEST_IOU = 0.985  # of a simplified mask with the mask; below it the tolerance is halved
HALVINGS = 4  # then every corner stays
LEAST_AREA = 1000  # pixels; of smaller masks every corner stays, because tools draw a slanted edge differently
FEWEST_CORNERS = 3
DEFAULT_TOLERANCE = 1.0  # pixels
MOST_DRAWN = 2**23  # pixels of a mask's box; drawing and finding contours takes 10 bytes for each


class Corners(StrEnum):
    """Position of a polygon's corners, which depends on how a tool fills polygons.

    `EDGES` lie between pixels: pixel (0, 0) is the square from 0 to 1. pycocotools fills such polygons exactly.
    `PIXELS` lie inside the outermost pixels, at x.25: tools that truncate (Ultralytics, Pillow) and those that round
    (supervision) both take that for pixel x. They draw the outline too, so they fill these exactly.
    """

    EDGES = "edges"
    PIXELS = "pixels"


def polygons_of(segmentation: Mapping[str, Any], tolerance: float, corners: Corners) -> list[Ring]:
    """Return one ring for each part of a mask; none for an empty mask. A slit joins a hole to its part.

    `segmentation` is compressed RLE. Corners are left out up to `tolerance` pixels, less if the polygons would have an
    IoU below `LOWEST_IOU` with the mask; 0 keeps every corner.
    """
    return [one_ring(part) for part in parts_of(segmentation, tolerance, corners)]


def parts_of(segmentation: Mapping[str, Any], tolerance: float, corners: Corners) -> list[list[Ring]]:
    """Return the rings of each part of a mask like `polygons_of`: the outer one first, then one for each hole."""
    height, width = segmentation["size"]
    runs = runs_of_code(segmentation["counts"], (height, width))
    if not len(runs.start):
        return []
    tolerance = tolerance if runs.areas()[0] >= LEAST_AREA else 0.0
    left, top, right, bottom = runs.boxes()[0].tolist()
    if corners is Corners.EDGES and (right - left + 1) * (bottom - top + 1) > MOST_DRAWN:
        exact = rings_of_runs(runs)
        return _simplified(exact, tolerance, partial(iou_of_rings, exact))
    crop, corner_pixel = drawn_in_box(runs)
    parts = [[_placed(ring, corners) for ring in part] for part in _contours(crop)]

    def iou(simpler: list[list[Ring]]) -> float:
        filled = drawn([one_ring(part) for part in simpler], (crop.shape[0], crop.shape[1]), corners)
        return float((filled & crop).sum() / (filled | crop).sum())

    return [[ring + np.array(corner_pixel) for ring in part] for part in _simplified(parts, tolerance, iou)]


def one_ring(rings: Sequence[Ring]) -> Ring:
    """Join rings by slits of no width, each from its nearest corner, the longest ring first.

    The even-odd rule fills the result as the rings. A tool that draws outlines also draws each slit, one pixel wide.
    """
    from scipy.spatial import KDTree  # a tenth of the start of the API, of a worker and of beat

    joined, *others = sorted(rings, key=len, reverse=True)
    for ring in others:
        distances, nearest = KDTree(joined).query(ring)
        start = int(distances.argmin())
        at = int(nearest[start])
        loop = np.concatenate([ring[start:], ring[: start + 1]])
        joined = np.concatenate([joined[: at + 1], loop, joined[at:]])
    return joined


def drawn(rings: Sequence[Ring], size: tuple[int, int], corners: Corners) -> Bits:
    """Fill rings, as the tools do that `corners` is for; `size` is (height, width)."""
    if corners is Corners.EDGES:
        flat = [ring.ravel().tolist() for ring in rings]
        merged = coco_mask.merge(coco_mask.frPyObjects(flat, *size))
        return np.asarray(coco_mask.decode(merged)).astype(bool)
    filled = np.zeros(size, dtype=np.bool_)
    for ring in rings:
        picture = Image.new("1", size[::-1])
        ImageDraw.Draw(picture).polygon(np.floor(ring).ravel().tolist(), fill=1, outline=1)
        filled |= np.asarray(picture)
    return filled


def _simplified(
    parts: list[list[Ring]], tolerance: float, iou: Callable[[list[list[Ring]]], float]
) -> list[list[Ring]]:
    for halving in range(HALVINGS if tolerance else 0):
        simpler = [[_simpler(ring, tolerance / 2**halving) for ring in part] for part in parts]
        if iou(simpler) >= LOWEST_IOU:
            return simpler
    return parts


def _simpler(ring: Ring, tolerance: float) -> Ring:
    """Return the ring with fewer corners; the ring itself if fewer than three would remain."""
    line = shapely.LinearRing(ring)
    found = np.asarray(shapely.get_coordinates(shapely.simplify(line, tolerance, preserve_topology=True))[:-1])
    return found if len(found) >= FEWEST_CORNERS else ring


def _contours(mask: Bits) -> Iterator[list[Ring]]:
    """Yield the parts of a mask: the midpoints of its outer edges, then those of each hole, inside on the left."""
    padded = np.pad(mask, 1).astype(np.float64)
    found: Any = contour_generator(z=padded, fill_type=FillType.OuterOffset).filled(
        0.5, 1.5
    )  # its form follows the type
    parts, offsets = found
    for points, starts in zip(parts, offsets, strict=True):
        edges = [int(start) for start in starts]
        yield [np.asarray(points[a : b - 1]) - 0.5 for a, b in pairwise(edges)]


def _placed(midpoints: Ring, corners: Corners) -> Ring:
    """Return the corners between the midpoints of pixel edges, where the contour turns.

    The midpoint of a vertical edge has a whole x, that of a horizontal edge a whole y.
    """
    following = np.roll(midpoints, -1, axis=0)
    turns = np.flatnonzero((midpoints != following).all(axis=1))
    here, there = midpoints[turns], following[turns]
    vertical = here[:, 0] == np.floor(here[:, 0])
    found = np.where(np.stack([vertical, ~vertical], axis=1), here, there)
    if corners is Corners.EDGES:
        return found
    before, after = found - np.roll(found, 1, axis=0), np.roll(found, -1, axis=0) - found
    inward = np.sign(before) + np.sign(after)  # (dx, dy) of the two edges, one of which is vertical
    centres: Ring = found + 0.5 * np.stack([-inward[:, 1], inward[:, 0]], axis=1)
    return centres - 0.25
