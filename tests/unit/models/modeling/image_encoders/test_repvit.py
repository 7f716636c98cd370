"""RepViT's encoders at small sizes: shapes, and the fused form against the published one in float64."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from fixtures.models.random_network import filled
from samfleet_models.modeling.image_encoders.repvit import RepVit, build_repvit
from samfleet_models.modeling.image_encoders.repvit_blocks import BranchNorms, RepVggDw
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_branches, fuse_repvit, fuse_steps
from samfleet_models.ops import onednn

SIDE = 96
TOLERANCE = 1e-5  # of the range of the compared values
SIZES: dict[str, object] = {"channels": (16, 24, 32, 48), "depths": (3, 2, 4, 2)}
ARCHITECTURES: dict[str, Mapping[str, object]] = {
    "repvit_sam": {**SIZES, "branch_norms": "sum"},
    "edgesam": {**SIZES, "branch_norms": "each", "upsampling": "bicubic"},
    "edgesam_bilinear": {**SIZES, "branch_norms": "each", "upsampling": "bilinear"},
}


@pytest.fixture(params=list(ARCHITECTURES))
def encoder(request: pytest.FixtureRequest) -> RepVit:
    return filled(build_repvit(ARCHITECTURES[request.param], SIDE))


@torch.inference_mode()
@pytest.mark.parametrize("library", ["onednn", "torch"])
def test_the_fused_encoder_equals_the_published_one(
    encoder: RepVit, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onednn, "AVAILABLE", onednn.AVAILABLE and library == "onednn")
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    exact = copy.deepcopy(encoder).double()(pixels.double())
    assert exact.shape == (2, 256, SIDE // 16, SIDE // 16)
    ours = fuse_repvit(encoder, SIDE)(pixels)
    assert (ours - exact).abs().max() <= TOLERANCE * (exact.max() - exact.min())


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_fused_encoder_runs_in_half_precision(encoder: RepVit, dtype: torch.dtype) -> None:
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    expected = encoder(pixels)
    ours = fuse_repvit(encoder, SIDE).to(dtype)(pixels.to(dtype))
    assert ours.dtype == dtype
    assert (ours - expected).abs().mean() <= 0.01 * (expected.max() - expected.min())


@torch.inference_mode()
@pytest.mark.parametrize("norms", ["each", "sum"])
def test_branches_are_fused_into_one_convolution(norms: BranchNorms) -> None:
    part = filled(RepVggDw(8, norms))
    x = torch.randn(2, 8, 9, 7, generator=torch.Generator().manual_seed(1))
    fused = fuse_branches(part)
    torch.testing.assert_close(fused(x), part(x), atol=1e-5, rtol=1e-5)
    assert fused.weight.shape == (8, 1, 3, 3)


def test_fused_layers_share_no_changed_tensor() -> None:
    encoder = filled(build_repvit(ARCHITECTURES["repvit_sam"], SIDE))
    before = copy.deepcopy(encoder.state_dict())
    fuse_repvit(encoder, SIDE)
    torch.testing.assert_close(encoder.state_dict(), before, atol=0, rtol=0)


def test_layers_of_other_networks_are_refused() -> None:
    with pytest.raises(TypeError, match="no part of RepViT"):
        fuse_steps(nn.Sequential(nn.Tanh()))


def test_only_the_upsampling_encoder_halves_the_resolution_in_its_last_stage() -> None:
    strides = {
        name: [part.stride[0] for part in build_repvit(sizes, SIDE).modules() if isinstance(part, nn.Conv2d)].count(2)
        for name, sizes in ARCHITECTURES.items()
    }
    assert strides == {"repvit_sam": 4, "edgesam": 5, "edgesam_bilinear": 5}
