"""GeoPackage: a file per image, in the image's own coordinate reference system. It needs pyogrio, which is an extra."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import shapely

from samfleet.exports.errors import ExportLibraryMissing, ExportNotGeoreferenced
from samfleet.exports.formats.archive import FIRST_DAY, Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import confidence, rows_without_empty_masks
from samfleet.exports.formats.shapes import geometry_of
from samfleet.masks.georeference import Georeference

LAYER = "masks"


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    pyogrio = _library()
    classes, names = classes_of(source, options), MemberNames()
    for row in rows_without_empty_masks(source, options):
        if row["width"] is None:
            continue
        if "georeference" not in row:
            raise ExportNotGeoreferenced(
                f"{row['file_name']} has no coordinate reference system, which a GeoPackage of masks needs; "
                "use geojson, which has pixels then"
            )
        yield names.name(row["file_name"], ".gpkg"), _geopackage(pyogrio, row, classes, options.tolerance)
    yield provenance_of(source.provenance, names)


def _geopackage(pyogrio: Any, row: Mapping[str, Any], classes: Classes, tolerance: float) -> bytes:
    georeference, masks = Georeference.from_dict(row["georeference"]), row["masks"]
    shapes = [geometry_of(mask["segmentation"], tolerance, georeference.placed) for mask in masks]
    wkb = shapely.to_wkb([shapely.multipolygons(shapely.get_parts(shape)) for shape in shapes])
    columns = {
        "mask": np.arange(1, len(masks) + 1, dtype=np.int32),
        "category": np.array([classes.names[classes.of(mask)] for mask in masks], dtype=object),
        "score": np.array([confidence(mask) for mask in masks], dtype=np.float64),
        "area_pixels": np.array([mask["area"] for mask in masks], dtype=np.int64),
        "predicted_iou": np.array([mask["predicted_iou"] for mask in masks], dtype=np.float64),
        "stability_score": np.array([mask["stability_score"] for mask in masks], dtype=np.float64),
    }
    file = io.BytesIO()
    pyogrio.raw.write(
        file,
        np.array(wkb, dtype=object),
        list(columns.values()),
        list(columns),
        layer=LAYER,
        driver="GPKG",
        geometry_type="MultiPolygon",
        crs=georeference.crs,
    )
    return file.getvalue()


def _library() -> Any:
    """Return pyogrio. Raises `ExportLibraryMissing`."""
    try:
        import pyogrio
        import pyogrio.raw
    except ImportError as error:
        raise ExportLibraryMissing(
            "exports as GeoPackage need pyogrio, which the worker does not have; "
            "run pip install 'samfleet[geo]' there, restart it, and ask for the export again"
        ) from error
    year, month, day, *_ = FIRST_DAY
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{year}-{month:02}-{day:02}T00:00:00.000Z"})
    return pyogrio


# Equal results give equal bytes: the file's date is fixed.
GEOPACKAGE = ZipFormat(
    "gpkg",
    "GeoPackage (zip): a file per GeoTIFF, polygons with holes in the image's own coordinate reference system.",
    _members,
)
