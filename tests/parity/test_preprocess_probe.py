"""Pre-processing of SAM and of NanoSAM against the official code on images of many unusual sizes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fixtures.models.parity_cases import golden, sample_image
from fixtures.models.shared_data import shared_path
from samfleet.variants.catalogue import get_variant
from samfleet_models.images.processor import ImageProcessor


@pytest.mark.parametrize(("family", "variant"), [("family_a", "mobile_sam"), ("nanosam", "nanosam_resnet18")])
@pytest.mark.parametrize("index", range(7))
def test_pixels_equal_the_official_ones(index: int, family: str, variant: str) -> None:
    case = json.loads(shared_path("parity", "preprocess_probe", "meta.json").read_text())["images"][index]
    expected = golden("preprocess_probe", family)
    image = sample_image(case)
    processor = ImageProcessor.of(get_variant(variant))
    assert processor.frame(case["height"], case["width"]).resized == tuple(case[f"{family}_resized"])
    pixels = processor.network_input([processor.resize(image)], torch.device("cpu"))[0].numpy()
    np.testing.assert_array_equal(pixels[:, ::16, ::16], expected[f"pixels_probe_{index}"])
    np.testing.assert_allclose(pixels.sum((1, 2), dtype=np.float64), expected[f"sum_{index}"], rtol=1e-9)
