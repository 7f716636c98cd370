from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from fixtures.models.kernels import kernels, reset_kernels
from reference.reading import full_logits, read_masks_slowly
from samfleet.variants.conventions import Upsampling
from samfleet_kernels.library import Kernels, choose, chosen, torch_only
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess import threshold
from samfleet_models.postprocess.banded_upsample import Canvas
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks, Selection, encode_masks
from samfleet_models.postprocess.threshold import draw
from samfleet_models.postprocess.upsample import OVERSHOOT, SMALL_KERNEL, pixel_logits, pixelwise, resizing_taps

__all__ = ["kernels", "reset_kernels"]

SIDE = 1024
SIZES = [(480, 640), (427, 640), (1, 1), (3, 2000), (1024, 1024), (333, 177), (129, 1500), (1023, 1025), (40, 60)]


def blobs(count: int, cells: int = 10) -> torch.Tensor:
    """Return smooth logits with a little noise, like those of a decoder: [count, 256, 256]."""
    generator = torch.Generator().manual_seed(count)
    coarse = torch.randn(count, 1, cells, cells, generator=generator) * 8
    smooth = torch.nn.functional.interpolate(coarse, (SIDE // 4, SIDE // 4), mode="bicubic")[:, 0]
    return smooth + torch.randn(smooth.shape, generator=generator) * 0.05


def noise(count: int) -> torch.Tensor:
    return torch.randn(count, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(count)) * 3


def flat(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None].expand(-1, SIDE // 4, SIDE // 4).contiguous()


def assert_same(fast: EncodedMasks, slow: EncodedMasks) -> None:
    np.testing.assert_array_equal(fast.source, slow.source)
    assert fast.counts == slow.counts
    for name in ("boxes", "areas", "stability"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))
        assert getattr(fast, name).dtype == getattr(slow, name).dtype


@pytest.fixture(params=get_args(Upsampling))
def upsampling(request: pytest.FixtureRequest) -> Upsampling:
    chosen: Upsampling = request.param
    return chosen


def framed(size: tuple[int, int], upsampling: Upsampling) -> ImageFrame:
    return ImageFrame.of(*size, SIDE, upsampling=upsampling)


@pytest.mark.parametrize("size", [*SIZES, pytest.param((3000, 4000), marks=pytest.mark.heavy)])
@pytest.mark.parametrize(
    ("selection", "by"),
    [
        (Selection(), "auto"),
        (Selection(0.7, 0.6, drop_cut_by_crop=True), "auto"),
        (Selection(0.7, 0.6, drop_cut_by_crop=True), "off"),
    ],
)
def test_every_bit_equals_that_of_the_slow_path(
    size: tuple[int, int], selection: Selection, by: str, upsampling: Upsampling, reset_kernels: None
) -> None:
    choose(by)
    frame, placement = framed(size, upsampling), CropPlacement.whole(*size)
    for low_res in (blobs(4), noise(2)):
        slow = read_masks_slowly(low_res, frame, placement, selection)
        assert_same(encode_masks(low_res, frame, placement, selection), slow)


@pytest.mark.parametrize("crop", [(100, 50, 500, 350), (0, 0, 400, 480), (200, 100, 640, 480)])
def test_crops_are_placed_as_by_the_slow_path(crop: tuple[int, int, int, int], upsampling: Upsampling) -> None:
    frame, placement = framed((crop[3] - crop[1], crop[2] - crop[0]), upsampling), CropPlacement(crop, (480, 640))
    for selection in (Selection(), Selection(drop_cut_by_crop=True)):
        slow = read_masks_slowly(blobs(6, 20), frame, placement, selection)
        assert_same(encode_masks(blobs(6, 20), frame, placement, selection), slow)


def test_logits_at_a_threshold_and_infinite_logits_equal_the_slow_path(upsampling: Upsampling) -> None:
    frame, placement = framed((200, 300), upsampling), CropPlacement.whole(200, 300)
    hard = torch.cat([flat(0.0, 1.0, -1.0, 5.0, -5.0, float("inf"), float("nan")), blobs(1).round()])
    for selection in (Selection(), Selection(stability_thresh=0.5)):
        assert_same(
            encode_masks(hard, frame, placement, selection), read_masks_slowly(hard, frame, placement, selection)
        )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 3])
def test_single_pixels_equal_those_of_drawn_masks(threads: int, count: int, upsampling: Upsampling) -> None:
    """This holds for any number of threads and masks; for three masks on one thread torch has another kernel."""
    low_res, before = noise(count), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for size in ((480, 640), (1500, 129), (256, 256), (177, 130)):
            frame = framed(size, upsampling)
            random = np.random.default_rng(0)
            masks, y, x = (random.integers(0, end, 99) for end in (count, *size))  # the last 3 form a separate block
            y[:4], x[2:6] = 0, size[1] - 1
            y[6:10], x[8:12] = size[0] - 1, 0
            assert pixelwise(low_res, frame)
            drawn = full_logits(low_res, frame)[masks, y, x]
            assert torch.equal(pixel_logits(low_res, frame, masks, y, x), drawn)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("by", ["auto", "off"])
def test_masks_like_real_ones_are_never_drawn_whole(
    by: str, monkeypatch: pytest.MonkeyPatch, upsampling: Upsampling, reset_kernels: None
) -> None:
    choose(by)
    monkeypatch.delattr(threshold, "draw_whole")
    frame, placement = framed((480, 640), upsampling), CropPlacement.whole(480, 640)
    assert len(encode_masks(blobs(4), frame, placement, Selection()).counts) == 4


@pytest.mark.parametrize("size", [(480, 640), (3, 2000), (129, 301), (1023, 1025)])
def test_every_instruction_set_packs_the_same_masks(
    kernels: Kernels, size: tuple[int, int], upsampling: Upsampling
) -> None:
    frame = framed(size, upsampling)
    hard = flat(0.0, 1.0, -5.0, float("inf"), float("nan"))
    for low_res in (blobs(3), noise(1), torch.cat([hard, blobs(1).round()])):
        assert chosen() == kernels
        found = draw(low_res, frame, 0.7, 0.6)
        with torch_only():
            expected = draw(low_res, frame, 0.7, 0.6)
        for name in ("rows", "bits", "stability"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_small_images_are_upsampled_by_torch(upsampling: Upsampling) -> None:
    only = upsampling == "direct_bicubic"  # torch has one kernel for it at any size
    assert pixelwise(noise(1), framed((SMALL_KERNEL - 1, 640), upsampling)) == only


@pytest.mark.parametrize("size", [(480, 640), (1023, 1025), (1, 700), (256, 256), (90, 60)])
def test_the_canvas_stays_within_its_tolerance(size: tuple[int, int], upsampling: Upsampling) -> None:
    frame, low_res = framed(size, upsampling), noise(2)
    exact = full_logits(low_res, frame).transpose(1, 2).numpy()
    canvas = Canvas(low_res.numpy(), frame)
    for mask in range(2):
        canvas.begin(mask)
        for columns in canvas.bands:
            assert np.abs(canvas.band(columns) - exact[mask, columns]).max() <= canvas.tolerance


@pytest.mark.parametrize("outputs", [1, 7, 100, 256, 257, 511, 512, 640, 2000])
def test_resizing_weights_are_bounded_and_their_indices_ascend(outputs: int) -> None:
    """Magnitudes add up to no more than the canvas assumes; indices ascend per output and from output to output."""
    for interpolation, most in OVERSHOOT.items():
        taps = resizing_taps(256, outputs, interpolation)
        assert np.allclose(taps.weights.sum(axis=0), 1, atol=1e-6)
        assert np.abs(taps.weights).sum(axis=0).max() <= most + 1e-6
        assert (np.diff(taps.indices, axis=1) >= 0).all()
