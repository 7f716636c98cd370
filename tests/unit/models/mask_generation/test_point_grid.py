from __future__ import annotations

import numpy as np

from samfleet_models.mask_generation.point_grid import crops, layer_points_per_side, point_grid


def test_points_are_in_row_order_half_a_step_from_the_edge() -> None:
    np.testing.assert_allclose(point_grid(2), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    assert point_grid(32).shape == (1024, 2)


def test_deeper_layers_have_fewer_points_but_at_least_one() -> None:
    assert [layer_points_per_side(32, 2, layer) for layer in range(3)] == [32, 16, 8]
    assert layer_points_per_side(3, 2, 3) == 1


def test_the_image_is_the_only_crop_without_layers() -> None:
    (crop,) = crops(480, 640, 0, 512 / 1500)
    assert (crop.box, crop.layer, crop.size) == ((0, 0, 640, 480), 0, (480, 640))


def test_crops_of_the_first_layer_overlap_as_in_the_official_code() -> None:
    found = crops(480, 640, 1, 512 / 1500)  # boxes of 000000005001_pps8_crop1 in ../shared/ref
    assert [crop.box for crop in found] == [
        (0, 0, 640, 480),
        (0, 0, 402, 322),
        (0, 159, 402, 480),
        (239, 0, 640, 322),
        (239, 159, 640, 480),
    ]


def test_crops_cover_the_image_and_have_pixels_even_in_tiny_images() -> None:
    for height, width in ((1, 1), (3, 2), (5, 100), (97, 61)):
        covered = np.zeros((height, width), dtype=bool)
        for crop in crops(height, width, 4, 512 / 1500):
            x0, y0, x1, y1 = crop.box
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            if crop.layer == 4:
                covered[y0:y1, x0:x1] = True
        assert covered.all()
