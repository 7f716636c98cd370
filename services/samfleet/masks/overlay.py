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
from samfleet.masks.large import DEFAULT_LIMITS, PixelLimits
from samfleet.masks.pictures import Picture, open_picture
from samfleet.masks.record import MaskRecord
from samfleet.masks.run_sets import drawn_in, runs_of_code, sampled
from samfleet.masks.runs import Runs

Bits = NDArray[np.bool_]  # HW

OPACITY = 0.45  # tells neighbouring masks apart and keeps the photograph visible
JPEG_QUALITY = 80  # of small pictures; a PNG of a photograph has eight times the bytes
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
    limits: PixelLimits = DEFAULT_LIMITS,
    budget: Budget | None = None,
    jpeg: bool = False,
) -> bytes:
    """Return a picture of the upright image, at most `max_side` pixels wide and high, with every mask tinted and
    outlined: a PNG, or a `jpeg`.

    Mask i has the same colour in every picture. Large masks are drawn first, so that small ones are on top.
    `budget` limits the pixels that all pictures of this process have in memory. Raises `PicturesBusy` if it stays used
    up.
    """
    with open_picture(image_bytes, max_side, limits) as source:
        try:
            with (budget or Budget(source.pixels)).take(
                source.pixels + OUTPUT_COST * source.small_pixels, BUDGET_SECONDS
            ):
                return _drawn(source.read(), masks, jpeg=jpeg)
        except BudgetExhausted as error:
            raise PicturesBusy from error


def _drawn(picture: Picture, masks: Sequence[MaskRecord], *, jpeg: bool) -> bytes:
    height, width = picture.shape[:2]
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        _tint(picture, _scaled(masks[index], height, width), mask_colour(index))
    buffer = io.BytesIO()
    if jpeg:
        Image.fromarray(picture).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    else:
        Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def mask_colour(index: int) -> tuple[int, int, int]:
    """Return the colour of mask `index` as RGB, 0 to 255."""
    hue = index * GOLDEN_RATIO % 1.0
    value = (1.0, 0.8)[index // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _tint(picture: Picture, mask: Runs, colour: tuple[int, int, int]) -> None:
    """Draw a mask of the picture's size inside its box and the pixels around it, which the outline depends on."""
    if not len(mask.start):
        return
    height, width = mask.size
    x0, y0, x1, y1 = mask.boxes()[0].tolist()
    left, top, right, bottom = max(x0 - 1, 0), max(y0 - 1, 0), min(x1 + 2, width), min(y1 + 2, height)
    place, bits = picture[top:bottom, left:right], drawn_in(mask, (left, top, right, bottom))
    tint = OPACITY * np.array(colour, dtype=np.float32)
    place[bits] = (place[bits] * np.float32(1 - OPACITY) + tint).round().astype(np.uint8)
    place[_outline(bits)] = colour


def _scaled(mask: MaskRecord, height: int, width: int) -> Runs:
    """Resize the mask to the picture by nearest neighbour, without drawing it."""
    rows = ((np.arange(height) + 0.5) * mask.size[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * mask.size[1] / width).astype(np.int64)
    return sampled(runs_of_code(mask.counts, mask.size), rows, columns)


def _outline(bits: Bits) -> Bits:
    """Return the pixels of the mask with a neighbour outside it; the picture's edge is not part of the outline."""
    padded = np.pad(bits, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(bits & ~inside, dtype=np.bool_)
