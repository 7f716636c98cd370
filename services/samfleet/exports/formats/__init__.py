"""Formats of exports by name.

May import `reviews` and below; knows nothing of the table of exports.
"""

from collections.abc import Mapping

from samfleet.exports.formats.base import ExportFormat
from samfleet.exports.formats.coco import COCO_PAIR, CocoInstances, CocoPolygons, CocoResults
from samfleet.exports.formats.cutouts import CUTOUTS
from samfleet.exports.formats.cvat import Cvat
from samfleet.exports.formats.fiftyone import FIFTYONE
from samfleet.exports.formats.geojson import GEOJSON
from samfleet.exports.formats.geopackage import GEOPACKAGE
from samfleet.exports.formats.jsonl import JsonLines
from samfleet.exports.formats.label_studio import LABEL_STUDIO, LABEL_STUDIO_POLYGONS
from samfleet.exports.formats.labelme import LABELME
from samfleet.exports.formats.overlays import CONTACT_SHEET, OVERLAYS
from samfleet.exports.formats.parquet import Parquet
from samfleet.exports.formats.png import PNG, PNG_MASKS
from samfleet.exports.formats.sa1b import SA1B
from samfleet.exports.formats.voc import VOC
from samfleet.exports.formats.yolo import YOLO

_ALL: tuple[ExportFormat, ...] = (
    CocoResults(),
    COCO_PAIR,
    CocoInstances(),
    CocoPolygons(),
    JsonLines(),
    YOLO,
    LABELME,
    SA1B,
    PNG,
    PNG_MASKS,
    Cvat(),
    LABEL_STUDIO,
    LABEL_STUDIO_POLYGONS,
    VOC,
    GEOJSON,
    GEOPACKAGE,
    Parquet(),
    CUTOUTS,
    OVERLAYS,
    CONTACT_SHEET,
    FIFTYONE,
)
FORMATS: Mapping[str, ExportFormat] = {one.name: one for one in _ALL}
SHOW_REVIEWS = frozenset({JsonLines().name, Parquet().name})  # formats that say how each mask was reviewed
