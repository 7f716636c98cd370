from __future__ import annotations

import numpy as np
import pytest
import torch

from samfleet.variants.conventions import Preprocessing
from samfleet.variants.records.fast_sam import LETTERBOX
from samfleet_models.networks.yolo.letterbox import GREY, Letterbox, letterboxed, resize_bilinear, to_pixels


@pytest.mark.parametrize(
    ("size", "resized", "corner", "shape"),
    [
        ((427, 640), (683, 1024), (10, 0), (704, 1024)),
        ((640, 427), (1024, 683), (0, 10), (1024, 704)),
        ((1024, 1024), (1024, 1024), (0, 0), (1024, 1024)),
        ((480, 640), (768, 1024), (0, 0), (768, 1024)),
        ((100, 100), (1024, 1024), (0, 0), (1024, 1024)),
        ((3000, 4000), (768, 1024), (0, 0), (768, 1024)),
        ((333, 1000), (341, 1024), (5, 0), (352, 1024)),
        ((1, 5000), (1, 1024), (15, 0), (32, 1024)),
    ],
)
def test_the_input_is_the_smallest_rectangle_of_whole_cells(
    size: tuple[int, int], resized: tuple[int, int], corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    box = Letterbox.of(*size, 1024)
    assert (box.resized, box.corner, box.shape) == (resized, corner, shape)


def test_padding_is_grey() -> None:
    image = np.full((50, 100, 3), 200, np.uint8)
    box = Letterbox.of(50, 100, 224)
    out = letterboxed(image, box)
    assert out.shape == (128, 224, 3)
    (top, left), (height, width) = box.corner, box.resized
    assert (out[top : top + height, left : left + width] == 200).all()
    outside = np.ones(out.shape[:2], bool)
    outside[top : top + height, left : left + width] = False
    assert (out[outside] == GREY).all()


@pytest.mark.parametrize("size", [(37, 61), (90, 150), (64, 24), (1, 1)])
def test_resizing_interpolates_linearly_between_two_neighbours(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    exact = torch.nn.functional.interpolate(planes, size, mode="bilinear", align_corners=False)[0]
    off = np.abs(resize_bilinear(image, size) - exact.permute(1, 2, 0).numpy())
    assert off.max() <= 1.0


def test_channels_are_in_the_order_of_the_rule() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :, 0] = 255
    device = torch.device("cpu")
    assert to_pixels([image], LETTERBOX, device)[0, :, 0, 0].tolist() == [1, 0, 0]
    assert to_pixels([image], Preprocessing(order="bgr", mean=(0, 0, 0), std=(255, 255, 255)), device)[
        0, :, 0, 0
    ].tolist() == [0, 0, 1]
