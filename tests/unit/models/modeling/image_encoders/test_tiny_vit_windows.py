"""TinyViT's window attention against the published one, on grids that windows divide and do not divide."""

from __future__ import annotations

import pytest
import torch

from samfleet_models.modeling.image_encoders.tiny_vit import TinyVitBlock
from samfleet_models.modeling.image_encoders.tiny_vit_windows import FusedAttention, regions


@torch.inference_mode()
@pytest.mark.parametrize(("grid", "window"), [(14, 7), (16, 7), (5, 7), (8, 7), (13, 7), (9, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_tokens_share_one_key(grid: int, window: int, dtype: torch.dtype) -> None:
    torch.manual_seed(grid)
    block = TinyVitBlock(12, 3, window).to(dtype)
    for parameter in block.attn.parameters():
        parameter.normal_(std=0.5)
    x = torch.randn(2, grid, grid, 12, dtype=dtype)
    fused = FusedAttention(block.attn, window, grid)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(fused(x), x + block._attend(x), atol=tolerance, rtol=tolerance)


def test_every_token_lies_in_exactly_one_window() -> None:
    found = list(regions(torch.zeros(3, 49, 49), side=7, grid=16))
    tokens = [tuple(region.tokens.shape) for region in found]  # windows, tokens per window
    assert tokens == [(4, 49), (2, 14), (2, 14), (1, 4)]
    keys = [region.bias.shape[-1] for region in found]
    assert keys == [49, 15, 15, 5]
    assert torch.cat([region.tokens.flatten() for region in found]).sort().values.tolist() == list(range(256))
