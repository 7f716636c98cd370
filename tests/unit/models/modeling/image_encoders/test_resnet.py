"""NanoSAM's encoder: the fused form against the published one."""

from __future__ import annotations

import pytest
import torch

from fixtures.models.random_parameters import noise, randomised
from samfleet_models.modeling.image_encoders.resnet import BasicBlock, NanoSamEncoder, ResNetSizes
from samfleet_models.modeling.image_encoders.resnet_fused import fuse_resnet

SIZES = ResNetSizes(widths=(4, 8, 8, 16), depths=(1, 2, 1, 2))


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_the_fused_encoder_equals_the_published_one(dtype: torch.dtype, tolerance: float) -> None:
    encoder = NanoSamEncoder(SIZES, 128)
    randomised(encoder).to(dtype)
    pixels = noise(2, 3, 128, 128).to(dtype)
    published = encoder(pixels)
    assert published.shape == (2, 256, 8, 8)
    fused = fuse_resnet(encoder, 128)
    torch.testing.assert_close(fused(pixels), published, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(fused(pixels), published, atol=tolerance, rtol=tolerance)  # nothing is overwritten


def test_the_first_block_of_later_stages_projects_its_shortcut() -> None:
    blocks = [part for part in NanoSamEncoder(SIZES, 128).modules() if isinstance(part, BasicBlock)]
    assert [block.downsample is not None for block in blocks] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]  # the middle stage keeps its width
