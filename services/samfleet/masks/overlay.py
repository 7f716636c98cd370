"""A picture of an image with its masks on it."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from samfleet.masks.image_errors import ImageUnreadable
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask

Picture = NDArray[np.float32]  # HW3, RGB, 0 to 255
Bits = NDArray[np.bool_]  # HW

OPACITY = 0.45  # enough to tell neighbours apart with the photograph still to be seen
GOLDEN_RATIO = (5**0.5 - 1) / 2  # steps of it spread hues so that any few in a row lie far apart


def render_overlay(image_bytes: bytes, masks: Sequence[MaskRecord], *, max_side: int = 1600) -> bytes:
    """A PNG of the upright image, at most `max_side` pixels wide and high, with every mask tinted and outlined.

    Mask i has the same colour in every picture. Large masks are drawn first, so that small ones lie on top.
    """
    picture = _read_picture(image_bytes, max_side)
    height, width = picture.shape[:2]
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        bits = _scaled_bits(masks[index], height, width)
        colour = np.array(mask_colour(index), dtype=np.float32)
        picture[bits] += OPACITY * (colour - picture[bits])
        picture[_outline(bits)] = colour
    buffer = io.BytesIO()
    Image.fromarray(picture.round().astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def mask_colour(index: int) -> tuple[int, int, int]:
    """RGB, 0 to 255, of the mask at this position."""
    hue = index * GOLDEN_RATIO % 1.0
    value = (1.0, 0.8)[index // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _read_picture(image_bytes: bytes, max_side: int) -> Picture:
    try:
        with Image.open(io.BytesIO(image_bytes)) as image:
            image.draft("RGB", (max_side, max_side))  # a JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(image)
            rgb = _to_rgb(upright)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise ImageUnreadable(f"the image cannot be decoded ({error}); nothing can be drawn on it") from error
    rgb.thumbnail((max_side, max_side), Image.Resampling.BILINEAR)
    return np.asarray(rgb, dtype=np.float32).copy()


def _to_rgb(image: Image.Image) -> Image.Image:
    """Pillow cuts 16-bit greys at 255 instead of scaling them."""
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255)
        image = Image.fromarray(values.astype(np.uint8))
    return image.convert("RGB")


def _scaled_bits(mask: MaskRecord, height: int, width: int) -> Bits:
    """The mask at the picture's size, by the nearest pixel."""
    bits = decode_mask(mask.counts, mask.size)
    rows = ((np.arange(height) + 0.5) * mask.size[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.size[1] / width).astype(np.intp)
    return np.asarray(bits[rows[:, None], columns], dtype=np.bool_)


def _outline(bits: Bits) -> Bits:
    """Pixels of the mask with a neighbour outside it; the picture's edge is no outline."""
    padded = np.pad(bits, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(bits & ~inside, dtype=np.bool_)
