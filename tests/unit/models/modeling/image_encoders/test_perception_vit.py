"""SAM 3's image encoder: rotary positions against their definition, the fused form against the published one."""

from __future__ import annotations

import cmath

import pytest
import torch

from fixtures.models.random_parameters import noise, randomised
from samfleet_models.modeling.image_encoders.perception_vit import PerceptionVit, PerceptionVitSizes, halved_pairs
from samfleet_models.modeling.image_encoders.rotary_blocks import THETA, Rotation
from samfleet_models.modeling.image_encoders.sam3 import build_sam3, fuse_sam3

CPU = torch.device("cpu")
TINY = {"dim": 32, "heads": 2, "depth": 3, "hidden": 48, "window": 5, "global_blocks": (1,), "position_grid": 7}
SIDE = 168  # a grid of 12 tokens: windows of 5 are padded, and the position embeddings of 7 are repeated


@pytest.mark.parametrize(("side", "trained"), [(3, 3), (6, 3)])
def test_channels_turn_with_their_position(side: int, trained: int) -> None:
    """Each pair of channels is a complex number, which turns by its frequency times x or y."""
    x = noise(side * side, 8)
    turned = Rotation.of(side, trained, 8, CPU).adjacent(x)
    for token in range(side * side):
        place = [number * trained / side for number in (token % side, token // side)]
        for pair in range(4):
            angle = place[pair // 2] * THETA ** -(4 * (pair % 2) / 8)
            number = complex(*x[token, 2 * pair : 2 * pair + 2].tolist()) * cmath.exp(1j * angle)
            assert turned[token, 2 * pair : 2 * pair + 2].tolist() == pytest.approx(
                [number.real, number.imag], abs=1e-5
            )


def test_products_do_not_depend_on_the_order_of_channels() -> None:
    """The fused form has the first channels of all pairs before the second ones."""
    rotation = Rotation.of(3, 3, 8, CPU)
    q, k = noise(9, 8), noise(9, 8, seed=1)
    order = halved_pairs(8, 1)[:8]
    halves = rotation.halves(q[:, order]) @ rotation.halves(k[:, order]).T
    torch.testing.assert_close(halves, rotation.adjacent(q) @ rotation.adjacent(k).T, atol=1e-5, rtol=0.0)


def test_positions_are_repeated_and_not_scaled() -> None:
    vit = PerceptionVit(PerceptionVitSizes(**(TINY | {"depth": 1, "position_grid": 2})))  # type: ignore[arg-type]
    randomised(vit)
    found = vit.positions(5)[0]
    assert torch.equal(found[0, 0], vit.pos_embed[0, 1])  # the first belongs to the class token
    assert torch.equal(found[3, 4], found[1, 0])


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fused_encoder_equals_the_published_one(dtype: torch.dtype) -> None:
    """Rotations are float32 in every precision, so float64 agrees no better."""
    encoder = build_sam3(TINY, SIDE)
    randomised(encoder).to(dtype)
    pixels = noise(2, 3, SIDE, SIDE).to(dtype)
    published, fused = encoder(pixels), fuse_sam3(encoder, SIDE)(pixels)
    assert [tuple(x.shape) for x in fused] == [(2, 256, 12, 12), (2, 32, 48, 48), (2, 64, 24, 24)]
    for ours, theirs in zip(fused, published, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * (theirs.max() - theirs.min())
