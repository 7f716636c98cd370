from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fixtures.models.shared_data import shared_path
from samfleet.masks.polygons import Corners, drawn, one_ring, polygons_of
from samfleet.masks.rle import encode_mask

BOTH = pytest.mark.parametrize("corners", list(Corners))
ROWS = {
    "pixel": ["#"],
    "pixel inside": ["...", ".#.", "..."],
    "vertical line": [".#.", ".#.", ".#."],
    "horizontal line": ["....", "####"],
    "all": ["####", "####", "####"],
    "diagonal": ["#..", ".#.", "..#"],
    "hole": ["#####", "#...#", "#...#", "#####"],
    "holes that touch": ["#####", "#.###", "##.##", "#####"],
    "hole at a corner": ["####", "#.##", "##.."],
    "part in a hole": ["#####", "#...#", "#.#.#", "#...#", "#####"],
    "two parts": ["##.##", "##.##"],
}


def bits(rows: list[str]) -> NDArray[np.bool_]:
    return np.array([[one == "#" for one in row] for row in rows])


def size_of(mask: NDArray[np.bool_]) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]


def rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": encode_mask(mask)}


@BOTH
@pytest.mark.parametrize("rows", ROWS.values(), ids=list(ROWS))
@pytest.mark.parametrize("tolerance", [0.0, 1.0])
def test_polygons_of_small_masks_fill_as_the_mask(rows: list[str], tolerance: float, corners: Corners) -> None:
    mask = bits(rows)
    rings = polygons_of(rle(mask), tolerance, corners)
    assert np.array_equal(drawn(rings, size_of(mask), corners), mask)
    assert all(len(ring) >= 3 for ring in rings)


@BOTH
@settings(deadline=None)  # a busy machine takes longer now and then
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_without_a_tolerance_any_mask_comes_back(
    corners: Corners, height: int, width: int, data: st.DataObject
) -> None:
    flat = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(flat).reshape(height, width)
    rings = polygons_of(rle(mask), 0.0, corners)
    assert bool(rings) == bool(mask.any())
    if rings:
        assert np.array_equal(drawn(rings, size_of(mask), corners), mask)


def test_an_empty_mask_has_no_polygons() -> None:
    assert polygons_of(rle(np.zeros((4, 5), np.bool_)), 1.0, Corners.EDGES) == []


def test_a_rectangle_has_four_corners_between_pixels_or_inside_them() -> None:
    mask = bits(["....", ".##.", ".##."])
    edges, inside = (polygons_of(rle(mask), 1.0, corners)[0] for corners in Corners)
    assert sorted(map(tuple, edges.tolist())) == [(1, 1), (1, 3), (3, 1), (3, 3)]
    assert sorted(map(tuple, inside.tolist())) == [(1.25, 1.25), (1.25, 2.25), (2.25, 1.25), (2.25, 2.25)]


def test_one_ring_joins_parts_and_holes_with_exact_pixels() -> None:
    mask = bits(["##.###", "##.#.#", "##.###"])
    ring = one_ring(polygons_of(rle(mask), 0.0, Corners.EDGES))
    assert np.array_equal(drawn([ring], size_of(mask), Corners.EDGES), mask)


def test_a_larger_tolerance_keeps_fewer_corners() -> None:
    y, x = np.mgrid[:80, :90]
    mask = rle((x - 40) ** 2 + (y - 40) ** 2 < 35**2)
    counts = [len(polygons_of(mask, tolerance, Corners.EDGES)[0]) for tolerance in (0.0, 0.5, 1.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] < counts[0] / 4


@BOTH
def test_real_masks_keep_their_pixels_at_the_default_tolerance(corners: Corners) -> None:
    document = json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes())
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    overlaps, corners_kept, corners_all = [], 0, 0
    for entry in document["annotations"][::4]:
        size = sizes[entry["image_id"]]
        shape = entry["segmentation"]
        drawn_by_coco = coco_mask.frPyObjects(shape, *size)
        merged = coco_mask.merge(drawn_by_coco) if isinstance(shape, list) else drawn_by_coco
        mask = coco_mask.decode(merged).astype(bool)
        if mask.any():
            rings = polygons_of(rle(mask), 1.0, corners)
            again = drawn(rings, size, corners)
            overlaps.append((mask & again).sum() / (mask | again).sum())
            corners_kept += sum(map(len, rings))
            corners_all += sum(map(len, polygons_of(rle(mask), 0.0, corners)))
    assert len(overlaps) > 100
    assert min(overlaps) >= 0.98
    assert corners_kept < 0.7 * corners_all


@pytest.mark.parametrize("rows", ROWS.values(), ids=list(ROWS))
def test_outlines_of_runs_fill_as_the_mask(rows: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.masks.polygons.MOST_DRAWN", 0)
    noise = np.random.default_rng(5).random((12, 17)) < 0.6
    for mask in (bits(rows), noise):
        rings = polygons_of(rle(mask), 0.0, Corners.EDGES)
        assert np.array_equal(drawn(rings, size_of(mask), Corners.EDGES), mask)


def test_outlines_of_runs_are_simplified_to_the_same_iou(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:120, :150]
    radius = np.hypot(x - 70, y - 60)
    mask = (radius < 50) & (radius > 15) | (x > 140)
    monkeypatch.setattr("samfleet.masks.polygons.MOST_DRAWN", 0)
    exact, simple = (polygons_of(rle(mask), tolerance, Corners.EDGES) for tolerance in (0.0, 1.0))
    assert sum(map(len, simple)) < sum(map(len, exact)) / 2
    filled = drawn(simple, size_of(mask), Corners.EDGES)
    assert (filled & mask).sum() >= 0.97 * (filled | mask).sum()
