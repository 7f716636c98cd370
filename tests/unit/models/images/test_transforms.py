from __future__ import annotations

import numpy as np
import pytest
import torch

from samfleet.variants.conventions import Preprocessing
from samfleet_models.images.transforms import ImageFrame, resize_image, to_network_input


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((427, 640), (683, 1024)),
        ((640, 427), (1024, 683)),
        ((1, 1), (1024, 1024)),
        ((1024, 1024), (1024, 1024)),
        ((1, 5000), (1, 1024)),
    ],
)
def test_the_longest_side_fills_the_input(size: tuple[int, int], resized: tuple[int, int]) -> None:
    assert ImageFrame.of(*size, 1024).resized == resized


def test_coordinates_scale_per_axis() -> None:
    scaled = ImageFrame.of(427, 640, 1024).to_input(np.array([[640.0, 427.0], [0.0, 0.0]]))
    np.testing.assert_allclose(scaled, [[1024, 683], [0, 0]])


def test_padding_is_zero_after_normalisation() -> None:
    rule = Preprocessing()
    images = [np.full((4, 8, 3), 255, np.uint8), np.zeros((8, 2, 3), np.uint8)]
    batch = to_network_input(images, 8, rule, torch.device("cpu"))
    assert batch.shape == (2, 3, 8, 8)
    assert not batch[0, :, 4:].any()
    assert not batch[1, :, :, 2:].any()
    expected = (np.array(255) - rule.mean) / rule.std
    np.testing.assert_allclose(batch[0, :, 0, 0], expected, rtol=1e-6)


def test_floats_are_stretched_with_or_without_antialiasing() -> None:
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    image[::2] = 255
    plain = resize_image(image, 16, Preprocessing(resize="stretch", filter="float_bilinear"))
    smooth = resize_image(image, 16, Preprocessing(resize="stretch", filter="float_antialiased"))
    assert plain.shape == smooth.shape == (16, 16, 3)
    assert plain.dtype == smooth.dtype == np.float32
    np.testing.assert_allclose(smooth[4:12], 127.5, atol=2)
    assert resize_image(image, 32, Preprocessing(resize="stretch", filter="float_bilinear")).shape == (32, 32, 3)


def test_an_image_of_the_right_size_is_not_changed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    found = resize_image(image, 16, Preprocessing(resize="stretch", filter="float_antialiased"))
    np.testing.assert_array_equal(found, image)
