"""Pre-processing of family A against the official code on images of many odd sizes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image
from samfleet.variants.conventions import Preprocessing
from samfleet_models.preprocess import Frame, resize_to_frame, to_network_input


@pytest.mark.parametrize("index", range(7))
def test_pixels_equal_the_official_ones(index: int) -> None:
    case = json.loads(shared_path("parity", "preprocess_probe", "meta.json").read_text())["images"][index]
    expected = golden("preprocess_probe", "family_a")
    image = sample_image(case)
    frame = Frame.of(case["height"], case["width"], 1024)
    assert frame.resized == tuple(case["family_a_resized"])
    pixels = to_network_input([resize_to_frame(image, frame)], 1024, Preprocessing(), torch.device("cpu"))[0].numpy()
    np.testing.assert_array_equal(pixels[:, ::16, ::16], expected[f"pixels_probe_{index}"])
    np.testing.assert_allclose(pixels.sum((1, 2), dtype=np.float64), expected[f"sum_{index}"], rtol=1e-9)
