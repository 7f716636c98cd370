"""Pictures of images with their masks."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.budget import Budget, BudgetExhausted
from samfleet.errors import Unavailable
from samfleet.masks.pictures import Picture, open_picture
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask

Bits = NDArray[np.bool_]  # HW

OPACITY = 0.45  # tells neighbouring masks apart and keeps the photograph visible
GOLDEN_RATIO = (5**0.5 - 1) / 2  # hue step; hues of consecutive masks are far apart
OUTPUT_COST = 3  # an output pixel takes the memory of three decoded pixels
BUDGET_SECONDS = 20.0  # below the 30 s after which proxies and users stop waiting


class PicturesBusy(Unavailable):
    """Other pictures use all the memory for drawing; try again shortly."""

    code = "pictures_busy"


def render_overlay(
    image_bytes: bytes,
    masks: Sequence[MaskRecord],
    *,
    max_side: int = 1600,
    max_pixels: int = 100_000_000,
    budget: Budget | None = None,
) -> bytes:
    """Return a PNG of the upright image, at most `max_side` pixels wide and high, with every mask tinted and outlined.

    Mask i has the same colour in every picture. Large masks are drawn first, so that small ones are on top.
    `budget` limits the pixels that all pictures of this process have in memory. Raises `PicturesBusy` if it stays used
    up.
    """
    with open_picture(image_bytes, max_side, max_pixels) as source:
        pixels = max(source.pixels, max((mask.size[0] * mask.size[1] for mask in masks), default=0))
        try:
            with (budget or Budget(pixels)).take(pixels + OUTPUT_COST * source.small_pixels, BUDGET_SECONDS):
                return _drawn(source.read(), masks)
        except BudgetExhausted as error:
            raise PicturesBusy from error


def _drawn(picture: Picture, masks: Sequence[MaskRecord]) -> bytes:
    height, width = picture.shape[:2]
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        _tint(picture, _scaled_bits(masks[index], height, width), mask_colour(index))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def mask_colour(index: int) -> tuple[int, int, int]:
    """Return the colour of mask `index` as RGB, 0 to 255."""
    hue = index * GOLDEN_RATIO % 1.0
    value = (1.0, 0.8)[index // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _tint(picture: Picture, bits: Bits, colour: tuple[int, int, int]) -> None:
    tint = OPACITY * np.array(colour, dtype=np.float32)
    picture[bits] = (picture[bits] * np.float32(1 - OPACITY) + tint).round().astype(np.uint8)
    picture[_outline(bits)] = colour


def _scaled_bits(mask: MaskRecord, height: int, width: int) -> Bits:
    """Resize the mask to the picture by nearest neighbour."""
    bits = decode_mask(mask.counts, mask.size)
    rows = ((np.arange(height) + 0.5) * mask.size[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.size[1] / width).astype(np.intp)
    return np.asarray(bits[rows[:, None], columns], dtype=np.bool_)


def _outline(bits: Bits) -> Bits:
    """Return the pixels of the mask with a neighbour outside it; the picture's edge is not part of the outline."""
    padded = np.pad(bits, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(bits & ~inside, dtype=np.bool_)
