"""Exports as GeoJSON and Parquet."""

from __future__ import annotations

import builtins
import io
import json
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from fixtures.export_rows import PROVENANCE, SIZE, difficult_rows, image_row, mask_row, shapes, source_of, unzipped
from samfleet.exports.errors import ExportLibraryMissing
from samfleet.exports.formats import FORMATS, parquet
from samfleet.exports.formats.base import ExportOptions
from samfleet.masks.rle import decode_mask

GEOJSON, PARQUET = FORMATS["geojson"], FORMATS["parquet"]


def covered(geometry: Any) -> NDArray[np.bool_]:
    """Return the pixels whose centres are inside."""
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.asarray(shapely.contains_xy(geometry, xs, ys))


def test_geojson_has_valid_polygons_with_holes_and_parts() -> None:
    members = unzipped(GEOJSON, source_of(difficult_rows()))
    document = json.loads(members["a.geojson"])
    assert document["image"] == {"image_id": 1, "file_name": "a.jpg", "width": 40, "height": 30}
    kinds = []
    for feature, bits in zip(document["features"], shapes().values(), strict=True):
        if not bits.any():
            assert feature["geometry"] is None
            continue
        geometry = shape(feature["geometry"])
        kinds.append(feature["geometry"]["type"])
        assert geometry.is_valid
        assert geometry.area == feature["properties"]["area"] == bits.sum()
        assert np.array_equal(covered(geometry), bits)
    assert kinds == ["Polygon", "Polygon", "MultiPolygon", "Polygon", "Polygon"]
    assert len(document["features"][1]["geometry"]["coordinates"]) == 2
    assert json.loads(members["sub/a.geojson"])["features"] == []
    assert list(members)[-2:] == ["provenance.geojson", "provenance.json"]


def test_geojson_keeps_polygons_valid_after_the_simplification() -> None:
    """A hole that follows the edge of a slanted band would cross it if both were simplified."""
    ys, xs = np.mgrid[:120, :160]
    slanted = np.abs(ys - xs * 0.7 + 3 * np.sin(xs / 5)) < 30
    slanted &= ~(np.abs(ys - xs * 0.7 + 3 * np.sin(xs / 5) - 26) < 2) | (xs % 40 < 4)
    source = source_of([image_row(1, "a.jpg", mask_row(slanted), size=(120, 160))])
    for tolerance in (0.0, 1.0, 5.0, 50.0):
        members = unzipped(GEOJSON, source, ExportOptions(tolerance=tolerance))
        geometry = shape(json.loads(members["a.geojson"])["features"][0]["geometry"])
        assert geometry.is_valid
        assert abs(geometry.area - slanted.sum()) <= 0.02 * slanted.sum()


def table_of(content: bytes) -> Any:
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_table

    return read_table(io.BytesIO(content))


def written(rows: list[dict[str, Any]], *categories: dict[str, Any]) -> bytes:
    pytest.importorskip("pyarrow")
    first, second = (b"".join(PARQUET.write(source_of(rows, categories), ExportOptions())) for _ in range(2))
    assert first == second
    return first


def test_parquet_has_a_row_for_each_mask() -> None:
    table = table_of(written(difficult_rows()))
    rows = table.to_pylist()
    assert [(row["image_id"], row["mask"]) for row in rows] == [*((1, n) for n in range(1, 7)), (2, 1), (4, 1), (6, 1)]
    for row, bits in zip(rows, shapes().values(), strict=False):
        assert np.array_equal(decode_mask(row["rle"], (row["height"], row["width"])), bits)
        assert (row["area"], row["category"], row["category_id"]) == (bits.sum(), "object", None)
    assert [rows[2][f"bbox_{side}"] for side in ("x", "y", "width", "height")] == [2, 2, 33, 23]
    assert json.loads(table.schema.metadata[b"samfleet"]) == PROVENANCE


def test_parquet_has_large_category_ids_and_their_names() -> None:
    number = 2**53 + 1
    masks = mask_row(shapes()["hole"], category_id=number), mask_row(shapes()["hole"])
    rows = table_of(written([image_row(1, "a.jpg", *masks)], {"id": number, "name": "ä"})).to_pylist()
    assert [(row["category_id"], row["category"]) for row in rows] == [(number, "ä"), (None, "object")]


def test_tables_and_shapes_have_what_a_manifest_says() -> None:
    described = image_row(1, "a.jpg", mask_row(shapes()["hole"])) | {"external_id": "x-1", "metadata": {"b": [1]}}
    rows = [described, image_row(2, "b.jpg", mask_row(shapes()["hole"]))]
    table = table_of(written(rows))
    assert table.column("external_id").to_pylist() == ["x-1", None]
    assert [one and json.loads(one) for one in table.column("metadata").to_pylist()] == [{"b": [1]}, None]
    members = unzipped(GEOJSON, source_of(rows))
    assert json.loads(members["a.geojson"])["image"]["metadata"] == {"b": [1]}
    assert "external_id" not in json.loads(members["b.geojson"])["image"]


def test_parquet_is_written_in_groups_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(parquet, "ROWS_IN_GROUP", 4)
    rows = [image_row(number, f"{number}.jpg", mask_row(shapes()["hole"])) for number in range(9)]
    chunks = list(PARQUET.write(source_of(rows), ExportOptions()))
    assert len(chunks) == 3
    assert table_of(b"".join(chunks)).column("image_id").to_pylist() == list(range(9))


def test_a_run_without_masks_gives_a_table_without_rows() -> None:
    table = table_of(written([image_row(1, "broken.jpg", size=None), image_row(2, "a.jpg")]))
    assert (table.num_rows, table.column_names[0]) == (0, "image_id")


def test_a_worker_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExportLibraryMissing, match=r"pip install 'samfleet\[parquet\]'"):
        list(PARQUET.write(source_of([]), ExportOptions()))
