"""Merged masks against a slow reference that follows the stated rules on drawn masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.tiling import Tiling, Window
from samfleet_models.ops.nms import nms
from samfleet_worker.tiles.merge import merge_tiles

SIZE = (400, 620)  # height, width
WINDOWS = Tiling(256, 64).windows(SIZE[1], SIZE[0])
Mask = NDArray[np.bool_]


def record_of(mask: Mask, predicted_iou: float = 0.9, stability: float = 0.95) -> MaskRecord:
    ys, xs = mask.nonzero()
    x, y = (int(xs.min()), int(ys.min())) if len(xs) else (0, 0)
    width, height = (int(xs.max()) - x, int(ys.max()) - y) if len(xs) else (0, 0)
    return MaskRecord(
        counts=encode_mask(mask),
        size=(mask.shape[0], mask.shape[1]),
        area=int(mask.sum()),
        bbox=(float(x), float(y), float(width), float(height)),
        predicted_iou=predicted_iou,
        stability_score=stability,
        point_coords=(x + 0.5, y + 0.5),
        crop_box=(0, 0, mask.shape[1], mask.shape[0]),
    )


def shown(objects: Sequence[Mask]) -> list[list[MaskRecord]]:
    """Return what each tile shows of the objects, each with its own predicted IoU."""
    tiles = []
    for x0, y0, x1, y1 in WINDOWS:
        parts = [np.ascontiguousarray(drawn[y0:y1, x0:x1]) for drawn in objects]
        tiles.append([record_of(part, 0.99 - number / 100) for number, part in enumerate(parts) if part.any()])
    return tiles


def box(x0: int, y0: int, x1: int, y1: int) -> Mask:
    drawn = np.zeros(SIZE, dtype=bool)
    drawn[y0:y1, x0:x1] = True
    return drawn


def merged(tiles: Sequence[Sequence[MaskRecord]], nms_thresh: float = 0.7) -> list[MaskRecord]:
    return list(merge_tiles(SIZE, WINDOWS, tiles, nms_thresh))


def test_an_object_across_seams_is_one_mask_and_others_stay() -> None:
    objects = [box(20, 30, 600, 90), box(180, 150, 470, 380), box(10, 300, 60, 390), box(205, 20, 225, 25)]
    found = merged(shown(objects))
    assert [mask.counts for mask in found] == [encode_mask(drawn) for drawn in objects]
    assert [mask.predicted_iou for mask in found] == pytest.approx([0.99, 0.98, 0.97, 0.96])
    assert found[0].bbox == (20.0, 30.0, 579.0, 59.0)
    assert found[0].area == objects[0].sum()


def test_the_largest_part_gives_point_and_crop_box() -> None:
    (found,) = merged(shown([box(100, 20, 300, 40)]))
    assert found.point_coords == (100.5, 20.5)
    assert found.crop_box == (*WINDOWS[0][:2], 256, 256)


def test_scores_of_a_joined_mask_are_weighted_by_area() -> None:
    tiles = shown([box(100, 20, 300, 40)])
    tiles[1] = [replace(tiles[1][0], predicted_iou=0.5, stability_score=0.25)]
    (found,) = merged(tiles)
    one, other = tiles[0][0].area, tiles[1][0].area
    assert found.predicted_iou == pytest.approx((0.99 * one + 0.5 * other) / (one + other))
    assert found.stability_score == pytest.approx((0.95 * one + 0.25 * other) / (one + other))


def test_parts_that_disagree_in_the_overlap_stay_apart() -> None:
    tiles = shown([box(100, 20, 300, 40)])
    x0, y0, x1, y1 = WINDOWS[1]
    tiles[1] = [record_of(np.ascontiguousarray(box(182, 28, 300, 100)[y0:y1, x0:x1]))]
    assert len(merged(tiles)) == 2


def test_masks_without_pixels_are_left_out() -> None:
    assert merged([[record_of(np.zeros((256, 256), dtype=bool))], *[[] for _ in WINDOWS[1:]]]) == []
    assert merged([[] for _ in WINDOWS]) == []


def test_masks_of_both_tiles_of_an_object_in_the_overlap_are_suppressed_by_their_boxes() -> None:
    drawn = box(195, 20, 235, 40)  # inside the overlap of the first two tiles, cut by neither
    tiles = shown([drawn])
    tiles[1] = [replace(tiles[1][0], predicted_iou=0.95)]
    (found,) = merged(tiles)
    assert (found.counts, found.predicted_iou) == (encode_mask(drawn), 0.99)
    assert len(merged(tiles, nms_thresh=1.0)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_merging_follows_the_slow_reference(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    tiles: list[list[MaskRecord]] = [[] for _ in WINDOWS]
    for _ in range(14):
        x, y = generator.integers(0, SIZE[1]), generator.integers(0, SIZE[0])
        half_width, half_height = generator.integers(8, 200, 2)
        for tile, (x0, y0, x1, y1) in enumerate(WINDOWS):
            shift, grown = generator.integers(-3, 4, 2), generator.integers(-4, 5, 2)
            far = ((xs - x - shift[0]) / (half_width + grown[0])) ** 2
            far += ((ys - y - shift[1]) / (half_height + grown[1])) ** 2
            part = np.ascontiguousarray((far <= 1)[y0:y1, x0:x1])
            if part.any():
                tiles[tile].append(record_of(part, float(generator.uniform(0.5, 1.0))))
    expected, found = reference(tiles, 0.7), merged(tiles)
    assert [encode_mask(drawn) for drawn in expected] == [mask.counts for mask in found]
    assert len(found) < sum(map(len, tiles))


@dataclass(slots=True)
class Shown:
    tile: int
    drawn: Mask
    record: MaskRecord
    cut: bool = False
    box: list[int] = field(default_factory=list)


def reference(tiles: Sequence[Sequence[MaskRecord]], nms_thresh: float) -> list[Mask]:
    masks = [placed(tile, record) for tile, records in enumerate(tiles) for record in records]
    for mask in masks:
        mask.cut = not is_whole(mask.box, WINDOWS[mask.tile])
    masks = [mask for mask in masks if not (mask.cut and any(is_whole(mask.box, window) for window in WINDOWS))]
    pairs = []
    for first, second in combinations(range(len(masks)), 2):
        one, other = masks[first], masks[second]
        if one.tile != other.tile and (one.cut or other.cut):
            both = inside(WINDOWS[one.tile]) & inside(WINDOWS[other.tile])
            either = ((one.drawn | other.drawn) & both).sum()
            if either and (one.drawn & other.drawn & both).sum() / either >= 0.5:
                pairs.append((-(one.drawn & other.drawn & both).sum() / either, first, second))
    groups = [{place} for place in range(len(masks))]
    for _, first, second in sorted(pairs):
        mine, its = (next(group for group in groups if place in group) for place in (first, second))
        if mine is not its and not {masks[place].tile for place in mine} & {masks[place].tile for place in its}:
            groups.remove(its)
            mine |= its
    groups.sort(key=min)
    drawn = [np.any([masks[place].drawn for place in group], axis=0) for group in groups]
    scores = [
        np.average([masks[p].record.predicted_iou for p in g], weights=[masks[p].record.area for p in g])
        for g in groups
    ]
    boxes = [[xs.min(), ys.min(), xs.max(), ys.max()] for ys, xs in (mask.nonzero() for mask in drawn)]
    kept = nms(np.array(boxes, np.float32), np.array(scores, np.float32), nms_thresh)
    return [drawn[place] for place in kept]


def placed(tile: int, record: MaskRecord) -> Shown:
    x0, y0, x1, y1 = WINDOWS[tile]
    drawn = np.zeros(SIZE, dtype=bool)
    drawn[y0:y1, x0:x1] = decode_mask(record.counts, record.size)
    ys, xs = drawn.nonzero()
    return Shown(tile, drawn, record, box=[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def is_whole(shown_box: Sequence[int], window: Window) -> bool:
    """True if the box lies in the window and a pixel or more from its inner sides; a cell of 256 pixels is one."""
    height, width = SIZE
    low = [side + (side > 0) for side in window[:2]]
    high = [side - (side < edge) for side, edge in zip(window[2:], (width, height), strict=True)]
    return all(np.array(shown_box[:2]) >= low) and all(np.array(shown_box[2:]) <= high)


def inside(window: Window) -> Mask:
    return box(*window)
