"""Our vision transformers against the published ones, on small random networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samfleet_models.modeling.image_encoders import vit_attention
from samfleet_models.modeling.image_encoders.efficient_sam import build_efficient_sam
from samfleet_models.modeling.image_encoders.tiny_vit import build_tiny_vit
from samfleet_models.modeling.image_encoders.tiny_vit_fused import fuse_tiny_vit
from samfleet_models.modeling.image_encoders.vit import build_vit
from samfleet_models.modeling.image_encoders.vit_attention import ATTENTION, attend
from samfleet_models.modeling.image_encoders.vit_fused import fuse_efficient_sam, fuse_vit

SIZE = 112  # 7 tokens a side
VIT: Mapping[str, object] = {
    "embed_dim": 20,
    "depth": 3,
    "num_heads": 2,  # of 10 numbers, not a multiple of the vector width
    "mlp_dim": 36,
    "global_blocks": (1,),
    "window_size": 3,
    "intermediate": 1,
}
EFFICIENT_SAM: Mapping[str, object] = {"embed_dim": 24, "depth": 2, "num_heads": 3}
TINY_VIT: Mapping[str, object] = {
    "embed_dims": (8, 8, 16, 16),
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 2, 2),
    "window_sizes": (7, 7, 14, 7),
    "intermediate": 1,
}
SMALL_TILES = [vit_attention.CPU_TILE_BYTES, 2048, 64]  # all at once, one head after another, some queries of a head


def random_encoder(encoder: nn.Module, dtype: torch.dtype) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_(std=0.4, generator=generator)
    return encoder.eval().to(dtype)


def outputs(encoder: nn.Module, pixels: Tensor) -> tuple[Tensor, ...]:
    found = encoder(pixels)
    return found if isinstance(found, tuple) else (found,)


def pixels_of(dtype: torch.dtype, size: int = SIZE) -> Tensor:
    return torch.randn(2, 3, size, size, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=SMALL_TILES)
def tile_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size = int(request.param)
    monkeypatch.setattr(vit_attention, "CPU_TILE_BYTES", size)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    return size


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("window", [3, 7, 14])
@pytest.mark.usefixtures("tile_bytes")
def test_a_vit_equals_the_published_one(dtype: torch.dtype, tolerance: float, window: int) -> None:
    encoder = random_encoder(build_vit({**VIT, "window_size": window}, SIZE), dtype)
    pixels = pixels_of(dtype)
    expected, found = outputs(encoder, pixels), outputs(fuse_vit(encoder, SIZE), pixels)  # type: ignore[arg-type]  # a Vit
    assert [tuple(part.shape) for part in found] == [(2, 256, 7, 7), (2, 20, 7, 7)]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance * float(theirs.abs().max()), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.usefixtures("tile_bytes")
def test_an_efficient_sam_equals_the_published_one(dtype: torch.dtype, tolerance: float) -> None:
    encoder = random_encoder(build_efficient_sam(EFFICIENT_SAM, SIZE), dtype)
    pixels = pixels_of(dtype)
    (expected,), (found,) = outputs(encoder, pixels), outputs(fuse_efficient_sam(encoder, SIZE), pixels)  # type: ignore[arg-type]  # its encoder
    torch.testing.assert_close(found, expected, atol=tolerance * float(expected.abs().max()), rtol=0)


@torch.inference_mode()
def test_a_tiny_vit_returns_the_requested_stage() -> None:
    encoder = random_encoder(build_tiny_vit(TINY_VIT, 128), torch.float64)
    pixels = pixels_of(torch.float64, 128)
    expected, found = outputs(encoder, pixels), outputs(fuse_tiny_vit(encoder, 128), pixels)  # type: ignore[arg-type]  # a TinyVit
    assert [tuple(part.shape) for part in found] == [(2, 256, 8, 8), (2, 16, 8, 8)]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10 * float(theirs.abs().max()), rtol=0)


@torch.inference_mode()
def test_attention_scores_are_computed_in_tiles(tile_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plain = vit_attention._tile

    def counted(*arguments: Any) -> Tensor:
        made.append((tile := plain(*arguments)).nbytes)
        return tile

    monkeypatch.setattr(vit_attention, "_tile", counted)
    generator = torch.Generator().manual_seed(2)
    qkv = torch.randn(2, 7, 7, 3, 2, 8, generator=generator)
    tables = (torch.randn(7, 7, 8, generator=generator), torch.randn(7, 7, 8, generator=generator))
    attend(qkv, tables, 0.3)
    one_query = 49 * 4
    assert max(made) <= max(tile_bytes, one_query)
    assert sum(made) == 2 * 2 * 49 * one_query


@pytest.mark.parametrize("biased", [True, False])
def test_the_compiler_knows_the_operator(*, biased: bool) -> None:
    qkv = torch.randn(2, 5, 5, 3, 2, 8, generator=torch.Generator().manual_seed(3))
    tables = (torch.randn(5, 5, 8), torch.randn(5, 5, 8)) if biased else (None, None)
    torch.library.opcheck(ATTENTION.default, (qkv, *tables, 0.3), test_utils=["test_schema", "test_faketensor"])
