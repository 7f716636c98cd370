from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samfleet.budget import Budget
from samfleet.image_errors import ImageTooLarge, ImageUnreadable
from samfleet.masks.large import PixelLimits
from samfleet.masks.overlay import PicturesBusy
from samfleet.masks.upright import upright_picture

LARGEST = 8192
NOISE = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def encoded(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(NOISE)).save(buffer, form, **options)
    return buffer.getvalue()


def turned(form: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(form, exif=exif)


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(("form", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_file_that_browsers_show_upright_is_unchanged(form: str, media_type: str) -> None:
    content = encoded(form)
    picture = upright_picture(content, max_side=LARGEST)
    assert picture.content == content
    assert picture.media_type == media_type


def test_a_turned_photograph_is_rendered_upright() -> None:
    picture = upright_picture(turned("JPEG", 6), max_side=LARGEST)
    assert picture.media_type == "image/jpeg"
    upright = opened(picture.content)
    assert upright.size == (24, 32)
    assert upright.getexif().get(0x0112, 1) == 1
    reference = np.rot90(np.asarray(opened(encoded("JPEG"))), k=-1).astype(int)
    assert np.abs(np.asarray(upright).astype(int) - reference).mean() < 4  # quality 92, of pure noise


@pytest.mark.parametrize("form", ["BMP", "TIFF"])
def test_a_lossless_file_that_browsers_do_not_show_loses_nothing(form: str) -> None:
    picture = upright_picture(encoded(form), max_side=LARGEST)
    assert picture.media_type == "image/png"
    assert (np.asarray(opened(picture.content)) == NOISE).all()


@pytest.mark.parametrize(
    ("mode", "pixel"), [("RGBA", (9, 8, 7, 0)), ("LA", (9, 0)), ("I;16", 40_000), ("CMYK", (0, 0, 0, 0))]
)
def test_transparency_and_other_depths_and_inks_are_rendered_as_the_model_saw_them(
    mode: str, pixel: float | tuple[float, ...]
) -> None:
    image = Image.new(mode, (32, 24), pixel)
    picture = upright_picture(encoded("TIFF" if mode == "CMYK" else "PNG", image), max_side=LARGEST)
    shown = opened(picture.content)
    assert shown.mode == "RGB"
    if mode == "RGBA":
        assert shown.getpixel((0, 0)) == (9, 8, 7)


def test_an_animation_is_rendered_as_its_first_frame() -> None:
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "blue")]
    content = encoded("WEBP", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    picture = upright_picture(content, max_side=LARGEST)
    assert picture.media_type == "image/jpeg"
    red, _, blue = opened(picture.content).getpixel((5, 5))  # type: ignore[misc]  # an RGB image has three channels
    assert red > 200
    assert blue < 50


def test_a_larger_image_is_scaled_down() -> None:
    picture = upright_picture(encoded("PNG"), max_side=16)
    assert opened(picture.content).size == (16, 12)
    assert picture.media_type == "image/jpeg"


def test_faults_and_limits_are_named() -> None:
    with pytest.raises(ImageUnreadable):
        upright_picture(b"text", max_side=LARGEST)
    with pytest.raises(ImageTooLarge):
        upright_picture(encoded("PNG"), max_side=LARGEST, limits=PixelLimits(10, 10))


def test_rendering_waits_for_its_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.masks.upright.BUDGET_SECONDS", 0.0)
    budget = Budget(1)
    with budget.take(1):
        assert upright_picture(encoded("PNG"), max_side=LARGEST, budget=budget).media_type == "image/png"
        with pytest.raises(PicturesBusy):
            upright_picture(encoded("BMP"), max_side=LARGEST, budget=budget)
