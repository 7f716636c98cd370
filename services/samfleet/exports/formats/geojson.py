"""GeoJSON: a file per image, in pixels of the upright image with y down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from shapely.geometry import mapping

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, json_bytes, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.polygons import Corners, parts_of
from samfleet.exports.formats.selection import confidence, selected_rows


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            features = [
                _feature(number, mask, classes, options.tolerance) for number, mask in enumerate(row["masks"], start=1)
            ]
            image = {name: row[name] for name in ("image_id", "file_name", "width", "height")}
            document = {"type": "FeatureCollection", "image": image, "features": features}
            yield names.name(row["file_name"], ".geojson"), json_bytes(document)
    yield provenance_of(source.provenance, names)


def _feature(number: int, mask: Mapping[str, Any], classes: Classes, tolerance: float) -> dict[str, Any]:
    about = {"category": classes.names[classes.of(mask)], "score": confidence(mask)}
    kept = {name: mask[name] for name in ("area", "predicted_iou", "stability_score")}
    geometry = _geometry(mask["segmentation"], tolerance)
    return {"type": "Feature", "id": number, "geometry": geometry, "properties": {**about, **kept}}


def _geometry(segmentation: Mapping[str, Any], tolerance: float) -> Mapping[str, Any] | None:
    """Return a polygon, or several for a mask in parts, with real holes; None for an empty mask.

    A polygon that crosses its hole after the simplification keeps every corner instead.
    """
    found = _polygons(segmentation, tolerance)
    if not all(polygon.is_valid for polygon in found):
        found = _polygons(segmentation, 0.0)
    turned = [shapely.orient_polygons(polygon, exterior_cw=False) for polygon in found]
    if not turned:
        return None
    return dict(mapping(turned[0] if len(turned) == 1 else shapely.MultiPolygon(turned)))


def _polygons(segmentation: Mapping[str, Any], tolerance: float) -> list[Any]:
    parts = parts_of(segmentation, tolerance, Corners.EDGES)
    return [shapely.Polygon(outer, holes) for outer, *holes in parts]


# Pixel (0, 0) is the square from 0 to 1. A geometry of null is an empty mask's.
GEOJSON = ZipFormat(
    "geojson",
    "GeoJSON (zip): a file per image, polygons with holes in pixels, y down.",
    _members,
)
