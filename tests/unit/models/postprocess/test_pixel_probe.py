from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from samfleet.variants.conventions import Upsampling
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess import pixel_probe
from samfleet_models.postprocess.pixel_probe import Probe
from samfleet_models.postprocess.upsample import upscale


@pytest.mark.parametrize("upsampling", get_args(Upsampling))
@pytest.mark.parametrize("size", [(480, 640), (1, 1), (3, 200), (150, 40), (31, 57)])
def test_probed_pixels_equal_those_of_the_drawn_masks(
    size: tuple[int, int], upsampling: Upsampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_probe, "VALUES_AT_A_TIME", 2 * 32 * 32)
    frame = ImageFrame.of(*size, 128, upsampling=upsampling)
    generator = np.random.default_rng(3)
    low_res = torch.from_numpy(generator.normal(0, 4, (5, 32, 32)).astype(np.float32))
    pixels = generator.integers(0, size[::-1], (60, 2))
    drawn = upscale(low_res, frame).amax(0).numpy()
    values = drawn[pixels[:, 1], pixels[:, 0]]
    for threshold in np.quantile(values, [0.25, 0.75]):
        clear = np.abs(values - threshold) > 1e-4
        sure = Probe(pixels, float(threshold)).sure(low_res, frame)
        assert (sure == (values > threshold))[clear].all()


def test_pixels_well_inside_a_mask_are_confident() -> None:
    frame = ImageFrame.of(64, 128, 128)
    low_res = torch.full((2, 32, 32), -10.0)
    low_res[0, 4:12, 4:20] = 10.0  # pixels 16..47 down, 16..79 across
    low_res[1, :, 24:] = 5.0
    pixels = np.array([[40, 30], [15, 30], [17, 30], [79, 46], [60, 20], [120, 30]])
    assert Probe(pixels, 8.5).sure(low_res, frame).tolist() == [True, False, False, False, True, False]
    assert Probe(pixels, 4.0).sure(low_res, frame).tolist() == [True, False, True, False, True, True]


def test_no_masks_give_no_confident_pixels() -> None:
    assert not Probe(np.array([[1, 1]]), -5.0).sure(torch.zeros(0, 32, 32), ImageFrame.of(4, 4, 128)).any()
    assert Probe(np.zeros((0, 2), np.int64), 0.0).sure(torch.zeros(2, 32, 32), ImageFrame.of(4, 4, 128)).shape == (0,)
