"""Window attention against one window at a time, and the fused encoders against the published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.efficient_tam import build_efficient_tam, fuse_efficient_tam
from samfleet_models.modeling.image_encoders.sam2 import build_sam2, fuse_sam2
from samfleet_models.modeling.image_encoders.window_blocks import attend, join_windows, split_windows

HIERA = {
    "embed_dim": 8,
    "heads": 1,
    "stages": (1, 2, 3, 2),
    "global_att_blocks": (4, 6),
    "window_spec": (8, 4, 14, 7),
    "position_grid": 7,
}
PLAIN = {"dim": 16, "heads": 2, "depth": 3, "window": 14, "global_blocks": (1,)}
TOLERANCE = 1e-5  # of the range
Published = TypeVar("Published", bound=nn.Module)


def randomised(module: Published) -> Published:
    """Set all parameters to random values; an initial zero or one would hide a wrong order of steps."""
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.add_(0.1 * noise)
    return module.eval()


def pixels(size: int, images: int = 2) -> Tensor:
    return torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(1))


def share(ours: Tensor, published: Tensor) -> float:
    return float((ours - published).abs().max() / (published.max() - published.min()))


@torch.inference_mode()
@pytest.mark.parametrize("size", [128, 192])
def test_the_fused_hiera_equals_the_published_one(size: int) -> None:
    encoder = randomised(build_sam2(HIERA, size))
    published, fused = encoder(pixels(size)), fuse_sam2(encoder, size)(pixels(size))
    shapes = [(2, 256, size // 16, size // 16), (2, 32, size // 4, size // 4), (2, 64, size // 8, size // 8)]
    assert [tuple(x.shape) for x in fused] == shapes
    assert all(share(*pair) <= TOLERANCE for pair in zip(fused, published, strict=True))


@torch.inference_mode()
@pytest.mark.parametrize("size", [160, 224])
def test_the_fused_plain_vit_equals_the_published_one(size: int) -> None:
    encoder = randomised(build_efficient_tam(PLAIN, size))
    published, fused = encoder(pixels(size)), fuse_efficient_tam(encoder, size)(pixels(size))
    assert fused.shape == (2, 256, size // 16, size // 16)
    assert share(fused, published) <= TOLERANCE


@torch.inference_mode()
@pytest.mark.parametrize(("build", "sizes"), [(build_sam2, HIERA), (build_efficient_tam, PLAIN)])
def test_images_of_a_pass_do_not_affect_each_other(
    build: Callable[..., nn.Module], sizes: Mapping[str, object]
) -> None:
    encoder = randomised(build(sizes, 128))
    together, alone = encoder(pixels(128)), encoder(pixels(128)[1:])
    first = (together[0], alone[0]) if isinstance(together, tuple) else (together, alone)
    torch.testing.assert_close(first[0][1:], first[1], atol=1e-5, rtol=0)


def test_windows_are_merged_without_their_padding() -> None:
    grid = torch.arange(2 * 5 * 5 * 3).float().view(2, 5, 5, 3)
    windows = split_windows(grid, 2, torch.tensor([-1.0, -2.0, -3.0]))
    assert windows.shape == (2 * 9, 4, 3)
    assert windows[8].tolist() == [grid[0, 4, 4].tolist()] + 3 * [[-1.0, -2.0, -3.0]]
    assert torch.equal(join_windows(windows, 2, 5), grid)


def test_padded_tokens_are_attended_to() -> None:
    """The output of the one real token in a window is the mean of its value and of three paddings."""
    qkv = torch.tensor([0.0, 0.0, 8.0]).view(1, 1, 1, 3)
    padding = torch.tensor([5.0, 0.0, 4.0])
    assert attend(qkv, padding, heads=1, window=2, pool=False).item() == pytest.approx(5.0)


def test_blocks_that_change_the_channels_halve_the_grid_size() -> None:
    """Queries are maxima over 2x2 tokens; keys and values come from the whole window."""
    qkv = torch.zeros(1, 4, 4, 3)
    qkv[..., 2] = torch.arange(16.0).view(1, 4, 4)
    out = attend(qkv, torch.zeros(3), heads=1, window=2, pool=True)
    assert out[..., 0].tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
