from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fixtures.images.encoded_images import tiff
from samfleet.budget import Budget
from samfleet.image_errors import ImageFormatUnsupported, ImageTooLarge, ImageUnreadable
from samfleet.masks.large import PixelLimits
from samfleet.masks.overlay import PicturesBusy, mask_colour, render_overlay
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet_models.images.decode import read_image


def box_mask(size: tuple[int, int], top: int, left: int, bottom: int, right: int) -> MaskRecord:
    bits = np.zeros(size, dtype=np.bool_)
    bits[top:bottom, left:right] = True
    return MaskRecord(encode_mask(bits), size, int(bits.sum()), (left, top, right - left, bottom - top), 0.9, 0.9)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rendered(content: bytes, masks: list[MaskRecord], **options: Any) -> NDArray[np.uint8]:
    """Return the rendered picture: HW3, uint8, RGB."""
    with Image.open(io.BytesIO(render_overlay(content, masks, **options))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


GREY = encoded(Image.new("RGB", (20, 10), (100, 100, 100)))


def test_masks_are_tinted_and_outlined_and_other_pixels_are_unchanged() -> None:
    picture = rendered(GREY, [box_mask((10, 20), 2, 4, 8, 12)])
    colour = np.array(mask_colour(0))
    assert (picture[0, 0] == 100).all()
    assert (picture[2, 4] == colour).all()
    inside = 100 + 0.45 * (colour - 100.0)
    assert np.abs(picture[5, 8] - inside).max() <= 1
    assert (picture[5, 12] == 100).all()


def test_small_masks_lie_on_top_and_keep_the_colour_of_their_index() -> None:
    small, large = box_mask((10, 20), 3, 3, 6, 6), box_mask((10, 20), 1, 1, 9, 19)
    picture = rendered(GREY, [small, large])
    assert (picture[3, 3] == np.array(mask_colour(0))).all()
    assert (picture[1, 1] == np.array(mask_colour(1))).all()


def test_the_edge_of_the_picture_gets_no_outline() -> None:
    picture = rendered(GREY, [box_mask((10, 20), 0, 0, 10, 20)])
    assert (picture == picture[0, 0]).all()


def test_images_are_turned_upright_like_their_masks() -> None:
    sideways = Image.new("RGB", (20, 10), (100, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = rendered(encoded(sideways, exif=exif), [box_mask((20, 10), 0, 0, 20, 5)])
    assert picture.shape == (20, 10, 3)
    assert (picture[:, 5:] == 100).all()
    assert (picture[:, :5] != 100).any(axis=2).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_large_images_are_scaled_down_with_their_masks(form: str) -> None:
    content = encoded(Image.new("RGB", (800, 400), (100, 100, 100)), form)
    picture = rendered(content, [box_mask((400, 800), 0, 400, 400, 800)], max_side=80)
    assert picture.shape == (40, 80, 3)
    tinted = (np.abs(picture.astype(int) - 100) > 3).any(axis=2)
    assert tinted[:, 40:].all()
    assert not tinted[:, :40].any()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_images_of_every_mode_are_rendered(mode: str) -> None:
    image = (
        Image.new("I;16", (8, 8), 40_000) if mode == "I;16" else Image.new("RGB", (8, 8), (90, 90, 90)).convert(mode)
    )
    content = encoded(image, "TIFF")
    picture = rendered(content, [box_mask((8, 8), 1, 1, 4, 4)])
    assert picture.shape == (8, 8, 3)
    if mode == "I;16":
        assert picture[7, 7].tolist() == [round(40_000 / 257)] * 3


def test_undecodable_images_are_refused_with_the_reason() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cut = encoded(Image.fromarray(noise))[:5000]
    with pytest.raises(ImageUnreadable, match="nothing can be drawn on it"):
        render_overlay(cut, [])


def grey_files() -> dict[str, bytes]:
    """Grey images of more than 8 bits, one for each kind that the model reads."""
    ramp = np.linspace(0, 1, 40 * 30).reshape(30, 40)
    with_nodata = np.where(ramp < 0.2, -32767, ramp).astype(np.float32)
    return {
        "float 0..1": tiff(ramp.astype(np.float32)),
        "float with NaN": tiff(np.where(ramp < 0.2, np.nan, ramp).astype(np.float32)),
        "float with nodata": tiff(with_nodata, extratags=[(42113, "s", 0, "-32767", True)]),
        "int32": tiff((ramp * 4e9 - 2e9).astype(np.int32)),
        "uint32": tiff((ramp * 1e6).astype(np.uint32)),
        "int16": tiff((ramp * 4095 - 2000).astype(np.int16)),
        "uint16": tiff((ramp * 65_535).astype(np.uint16)),
        "12 bits in 16": tiff((ramp * 4095).astype(np.uint16)),
        "16-bit PNG": encoded(Image.fromarray((ramp * 65_535).astype(np.uint16))),
    }


@pytest.mark.parametrize("kind", grey_files())
@pytest.mark.parametrize("strip_pixels", [2**20, 100])
def test_grey_images_of_more_than_8_bits_are_drawn_as_the_model_sees_them(
    kind: str, strip_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = grey_files()[kind]
    monkeypatch.setattr("samfleet.masks.greys.STRIP_PIXELS", strip_pixels)
    np.testing.assert_array_equal(rendered(content, []), read_image(content))


def test_pixels_are_counted_before_decoding() -> None:
    with pytest.raises(ImageTooLarge, match="20 x 10 pixels"):
        render_overlay(GREY, [], limits=PixelLimits(199))


@pytest.mark.parametrize("form", ["EPS", "GIF", "PPM", "TGA"])
def test_formats_that_the_model_does_not_read_are_refused(form: str) -> None:
    content = encoded(Image.new("RGB", (8, 8)), form)
    with pytest.raises((ImageUnreadable, ImageFormatUnsupported), match="JPEG, PNG, WebP, BMP"):
        render_overlay(content, [])


def test_a_picture_waits_for_its_pixel_budget_and_times_out_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.masks.overlay.BUDGET_SECONDS", 0.01)
    budget = Budget(1000)
    assert render_overlay(GREY, [], budget=budget)
    with budget.take(900), pytest.raises(PicturesBusy):
        render_overlay(GREY, [], budget=budget)
    assert render_overlay(GREY, [], budget=budget)


def test_consecutive_colours_differ() -> None:
    colours = [np.array(mask_colour(index)) for index in range(64)]
    nearest = min(np.abs(a - b).sum() for a, b in pairwise(colours))
    assert nearest > 100
    assert len({tuple(colour) for colour in colours}) == 64


@pytest.mark.parametrize("band_pixels", [1, 1000, 2**22])
def test_a_picture_of_a_tiff_beyond_the_limit_has_the_means_of_its_pixels(
    band_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rasterio")
    monkeypatch.setattr("samfleet.masks.pictures.BAND_PIXELS", band_pixels)
    pixels = np.random.default_rng(3).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    content, limits = tiff(pixels, photometric="rgb", tile=(16, 16)), PixelLimits(100, 100_000)
    np.testing.assert_array_equal(rendered(content, [], limits=limits), pixels)
    small = rendered(content, [], limits=limits, max_side=40).astype(int)
    expected = np.asarray(Image.fromarray(pixels).resize((40, 24), Image.Resampling.BOX))
    assert np.abs(small - expected).max() <= 1
