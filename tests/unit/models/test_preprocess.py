from __future__ import annotations

import numpy as np
import pytest
import torch

from samfleet.variants.conventions import Preprocessing
from samfleet_models.preprocess import Frame, to_network_input


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
    assert Frame.of(*size, 1024).resized == resized


def test_coordinates_scale_per_axis() -> None:
    scaled = Frame.of(427, 640, 1024).to_input(np.array([[640.0, 427.0], [0.0, 0.0]]))
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
