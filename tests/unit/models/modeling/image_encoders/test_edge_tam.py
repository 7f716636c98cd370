"""EdgeTAM's fused image encoder against the published one."""

from __future__ import annotations

import torch

from samfleet_models.modeling.image_encoders.edge_tam import build_edge_tam, fuse_edge_tam

TINY = {"channels": (8, 16, 32, 64), "depths": (1, 1, 2, 1)}


@torch.inference_mode()
def test_the_fused_encoder_equals_the_published_one() -> None:
    encoder = build_edge_tam(TINY, 64).eval()
    with torch.no_grad():
        for index, parameter in enumerate(encoder.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)))
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    published, fused = encoder(pixels), fuse_edge_tam(encoder, 64)(pixels)
    assert [tuple(x.shape) for x in fused] == [(2, 256, 4, 4), (2, 32, 16, 16), (2, 64, 8, 8)]
    for ours, theirs in zip(fused, published, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * (theirs.max() - theirs.min())
