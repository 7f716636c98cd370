"""GeoJSON: a file per image, in longitude and latitude if the image has a place on the earth, else in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import mapping

from samfleet.exports.errors import ExportLibraryMissing
from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, json_bytes, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import confidence, selected_rows
from samfleet.exports.formats.shapes import Place, geometry_of
from samfleet.jobs.parts import OF_MANIFEST
from samfleet.masks.georeference import Georeference

IMAGE_FIELDS = ("image_id", "file_name", "width", "height")
LONGITUDE_LATITUDE = "EPSG:4326"  # the only system of RFC 7946
DIGITS = 9  # of a degree: a tenth of a millimetre


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            place = _on_earth(row["georeference"]) if "georeference" in row else None
            features = [
                _feature(number, mask, classes, options.tolerance, place)
                for number, mask in enumerate(row["masks"], start=1)
            ]
            image = {name: row[name] for name in (*IMAGE_FIELDS, *OF_MANIFEST) if name in row}
            document = {"type": "FeatureCollection", "image": image, "features": features}
            yield names.name(row["file_name"], ".geojson"), json_bytes(document)
    yield provenance_of(source.provenance, names)


def _feature(
    number: int, mask: Mapping[str, Any], classes: Classes, tolerance: float, place: Place | None
) -> dict[str, Any]:
    about = {"category": classes.names[classes.of(mask)], "score": confidence(mask)}
    kept = {name: mask[name] for name in ("area", "predicted_iou", "stability_score")}
    found = geometry_of(mask["segmentation"], tolerance, place)
    geometry = None if found is None else dict(mapping(found))
    return {"type": "Feature", "id": number, "geometry": geometry, "properties": {**about, **kept}}


def _on_earth(values: Mapping[str, Any]) -> Place:
    """Return the function from corners of pixels to longitude and latitude. Raises `ExportLibraryMissing`."""
    try:
        from rasterio.warp import transform
    except ImportError as error:
        raise ExportLibraryMissing(
            "GeoJSON of georeferenced images needs rasterio, which the worker does not have; "
            "run pip install 'samfleet[geo]' there, restart it, and ask for the export again"
        ) from error
    georeference = Georeference.from_dict(values)

    def place(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = georeference.placed(corners).T
        placed: NDArray[np.float64] = np.stack(transform(georeference.crs, LONGITUDE_LATITUDE, x, y), axis=1)
        return placed.round(DIGITS)

    return place


# Pixel (0, 0) is the square from 0 to 1. A geometry of null is an empty mask's.
GEOJSON = ZipFormat(
    "geojson",
    "GeoJSON (zip): a file per image, polygons with holes; longitude and latitude of a GeoTIFF, else pixels, y down.",
    _members,
)
