"""GeoPackage: a file per image, in the image's own coordinate reference system. It needs pyogrio, which is an extra."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import shapely

from samfleet.exports.errors import ExportLibraryMissing, ExportNotGeoreferenced
from samfleet.exports.formats.archive import (
    FIRST_DAY,
    Member,
    MemberNames,
    ZipFormat,
    json_bytes,
    provenance_of,
    report_of,
)
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import confidence, rows_without_empty_masks
from samfleet.exports.formats.shapes import geometry_of
from samfleet.masks.georeference import Georeference

LAYER = "masks"
NOT_GEOREFERENCED = {
    "code": ExportNotGeoreferenced.code,
    "message": "the image has no coordinate reference system",
}


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    pyogrio = _library()
    classes, names, left_out, written = classes_of(source, options), MemberNames(), list[str](), 0
    for row in rows_without_empty_masks(source, options):
        if row["width"] is None:
            continue
        if "georeference" not in row:
            left_out.append(row["file_name"])
            continue
        written += 1
        yield names.name(row["file_name"], ".gpkg"), _geopackage(pyogrio, row, classes, options.tolerance)
    if left_out and not written:
        raise ExportNotGeoreferenced(
            f"no image of the run has a coordinate reference system, the first is {left_out[0]}; "
            "use geojson, which has pixels then, or run the job again with samfleet[geo] on the worker"
        )
    yield report_of(written, [{"file_name": name, **NOT_GEOREFERENCED} for name in left_out])
    yield provenance_of(source.provenance, names)


def _geopackage(pyogrio: Any, row: Mapping[str, Any], classes: Classes, tolerance: float) -> bytes:
    georeference, masks = Georeference.from_dict(row["georeference"]), row["masks"]
    shapes = [geometry_of(mask["segmentation"], tolerance, georeference.placed) for mask in masks]
    wkb = shapely.to_wkb([shapely.multipolygons(shapely.get_parts(shape)) for shape in shapes])
    metadata = json_bytes(row["metadata"]).decode() if "metadata" in row else None
    columns = {
        "external_id": np.full(len(masks), row.get("external_id"), dtype=object),
        "metadata": np.full(len(masks), metadata, dtype=object),
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
