"""Masks as regions of Label Studio: brushes, which are exact, or polygons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samfleet.masks.bands import bits_in_bands
from samfleet.masks.polygons import Corners, polygons_of
from samfleet.masks.row_runs import brush_rle

# Takes a mask in the form of results and the tolerance of polygons in pixels. Returns its regions: the end of their ids
# and their values, without the label. An empty mask has none.
RegionValues = Callable[[Mapping[str, Any], float], Iterator[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class RegionForm:
    """A form of regions. `kind` is their type, and the name of the tag that shows them in lower case."""

    kind: str
    values: RegionValues


def _brush(mask: Mapping[str, Any], _tolerance: float) -> Iterator[tuple[str, dict[str, Any]]]:
    if mask["area"]:
        yield "", {"format": "rle", "rle": list(brush_rle(bits_in_bands(mask)))}


def _polygons(mask: Mapping[str, Any], tolerance: float) -> Iterator[tuple[str, dict[str, Any]]]:
    height, width = mask["segmentation"]["size"]
    rings = polygons_of(mask["segmentation"], tolerance, Corners.EDGES)
    for part, ring in enumerate(rings, start=1):
        percent = np.round(ring / (width, height) * 100, 6)
        yield (f"-{part}" if len(rings) > 1 else ""), {"points": percent.tolist(), "closed": True}


BRUSHES = RegionForm("brushlabels", _brush)
POLYGONS = RegionForm("polygonlabels", _polygons)
