"""Exports of images with a place on the earth, read with the tools' own libraries."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from fixtures.export_rows import SIZE, image_row, mask_row, shapes, source_of, unzipped
from fixtures.images.encoded_images import encoded, geotiff, gradient, tiff
from samfleet.exports.errors import ExportLibraryMissing, ExportNotGeoreferenced
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions
from samfleet.masks.georeference import Georeference, read_georeference

pytest.importorskip("rasterio")
pyogrio = pytest.importorskip("pyogrio")

UTM = Georeference("EPSG:32633", (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0))  # 15 degrees east
EXACT = ExportOptions(tolerance=0.0)


def placed_row(**fields: Any) -> dict[str, Any]:
    masks = [mask_row(bits) for bits in shapes().values()]
    return {**image_row(1, "field.tif", *masks), "georeference": UTM.to_dict(), **fields}


def members(name: str, row: dict[str, Any]) -> dict[str, bytes]:
    return unzipped(FORMATS[name], source_of([row]), EXACT)


def test_a_geotiff_is_read_with_its_crs_and_transform() -> None:
    pixels = np.zeros(SIZE, np.uint8)
    assert read_georeference(geotiff(pixels)) == UTM
    assert read_georeference(geotiff(pixels, (274, "H", 1, 6, True))) is None
    for other in (tiff(pixels), encoded(gradient()), geotiff(pixels)[:60], b"II*\0"):
        assert read_georeference(other) is None


def test_geojson_has_longitude_and_latitude() -> None:
    document = json.loads(members("geojson", placed_row())["field.geojson"])
    border, hole, *_, empty = document["features"]
    assert empty["geometry"] is None
    found = shapely.from_geojson(json.dumps(border["geometry"]))
    west, south, east, north = found.bounds
    # at 15 degrees east, the middle of the zone: 40 x 0.5 m to the east and 12 x 0.5 m to the south
    assert (west, north) == pytest.approx((15.0, 45.1535), abs=1e-3)
    assert east - west == pytest.approx(20 / 78_800, rel=0.01)
    assert north - south == pytest.approx(6 / 111_130, rel=0.01)
    assert found.exterior.is_ccw
    assert len(hole["geometry"]["coordinates"]) == 2


def test_a_geopackage_has_the_crs_of_the_image(tmp_path: Path) -> None:
    file = tmp_path / "field.gpkg"
    file.write_bytes(members("gpkg", placed_row())["field.gpkg"])
    meta, _, geometry, columns = pyogrio.raw.read(file, layer="masks")
    assert meta["crs"] == "EPSG:32633"
    found = dict(zip(meta["fields"], columns, strict=True))
    drawn = [bits for bits in shapes().values() if bits.any()]
    assert found["area_pixels"].tolist() == [bits.sum() for bits in drawn]
    areas = [shapely.area(shape) for shape in shapely.from_wkb(geometry)]
    assert areas == pytest.approx([0.25 * bits.sum() for bits in drawn])
    assert shapely.from_wkb(geometry[0]).bounds == (500_000.0, 4_999_994.0, 500_020.0, 5_000_000.0)


def test_a_geopackage_leaves_out_images_without_a_crs_and_names_them() -> None:
    flat = {**placed_row(file_name="flat.tif")}
    del flat["georeference"]
    rows = [flat, placed_row(), {**flat, "file_name": "unread.tif", "width": None, "masks": []}]
    found = unzipped(FORMATS["gpkg"], source_of(rows), EXACT)
    assert list(found) == ["field.gpkg", "report.json", "provenance.json"]
    message = "the image has no coordinate reference system"
    left_out = [{"file_name": "flat.tif", "code": "export_not_georeferenced", "message": message}]
    assert json.loads(found["report.json"]) == {"images": 1, "left_out": left_out}


def test_a_geopackage_has_the_id_and_the_metadata_of_a_manifest(tmp_path: Path) -> None:
    stated = {"external_id": "x-1", "metadata": {"flight": [7, "ä"]}}
    for name, row in (("field", placed_row() | stated), ("other", placed_row())):
        file = tmp_path / f"{name}.gpkg"
        file.write_bytes(members("gpkg", row)["field.gpkg"])
        meta, _, _, columns = pyogrio.raw.read(file, layer="masks")
        found = dict(zip(meta["fields"], columns, strict=True))
        ids, metadata = set(found["external_id"]), {one and json.loads(one)["flight"][1] for one in found["metadata"]}
        assert (ids, metadata) == (({"x-1"}, {"ä"}) if name == "field" else ({None}, {None}))


def test_a_geopackage_needs_an_image_on_the_earth() -> None:
    row = placed_row()
    del row["georeference"]
    with pytest.raises(ExportNotGeoreferenced, match=r"^no image of the run .* the first is field\.tif;"):
        members("gpkg", row)
    assert list(members("gpkg", {**row, "width": None, "masks": []})) == ["report.json", "provenance.json"]


@pytest.mark.parametrize(("name", "library"), [("geojson", "rasterio.warp"), ("gpkg", "pyogrio")])
def test_a_missing_library_names_the_extra(name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ExportLibraryMissing, match=r"pip install 'samfleet\[geo\]'"):
        members(name, placed_row())
