"""Images as the model saw them, for browsers: upright, 8 bits a channel, without transparency or animation.

A file that a browser shows so is passed on unchanged. Others are rendered.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from samfleet.budget import Budget, BudgetExhausted
from samfleet.masks import jpeg, png, webp
from samfleet.masks.bmp import SIGNATURE as BMP
from samfleet.masks.image_file import open_image, turn_after_loading
from samfleet.masks.large import DEFAULT_LIMITS, PixelLimits
from samfleet.masks.overlay import BUDGET_SECONDS, OUTPUT_COST, PicturesBusy
from samfleet.masks.pictures import Picture, open_picture
from samfleet.masks.tiff import SIGNATURES as TIFF

OF_BROWSERS: Mapping[str, str] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
OPAQUE = frozenset({"1", "L", "P", "RGB"})  # Pillow's modes without alpha
LOSSLESS = (png.SIGNATURE, BMP, *TIFF)
JPEG_QUALITY = 92
FAST = 1  # zlib's level: a photograph hardly gets smaller with more


@dataclass(frozen=True, slots=True)
class UprightPicture:
    """An encoded picture and its media type."""

    content: bytes
    media_type: str


def upright_picture(
    image_bytes: bytes, *, max_side: int, limits: PixelLimits = DEFAULT_LIMITS, budget: Budget | None = None
) -> UprightPicture:
    """Return the upright image, at most `max_side` pixels wide and high.

    Unscaled PNG, BMP and TIFF become a PNG, all else that must be rendered a JPEG of quality 92 with full chroma.
    `budget` limits the pixels that all pictures of this process have in memory. Raises a subclass of `ImageFailed` that
    names the fault of the file, and `PicturesBusy` if the budget stays used up.
    """
    if media_type := shown_unchanged(image_bytes, max_side, limits):
        return UprightPicture(image_bytes, media_type)
    with open_picture(image_bytes, max_side, limits) as source:
        pixels = source.pixels  # of the file; reading may scale the source in place
        try:
            with (budget or Budget(pixels)).take(pixels + OUTPUT_COST * source.small_pixels, BUDGET_SECONDS):
                picture = source.read()
                whole = picture.shape[0] * picture.shape[1] == pixels
                return _encoded(picture, lossless=whole and image_bytes.startswith(LOSSLESS))
        except BudgetExhausted as error:
            raise PicturesBusy from error


def shown_unchanged(image_bytes: bytes, max_side: int, limits: PixelLimits) -> str | None:
    """Return the media type of a file that browsers show as the model saw it, from its header; else None."""
    if not image_bytes.startswith((jpeg.SIGNATURE, png.SIGNATURE)) and not webp.is_webp(image_bytes):
        return None
    with open_image(image_bytes, limits.whole) as image:
        opaque = image.mode in OPAQUE and "transparency" not in image.info
        still = not getattr(image, "is_animated", False)
        if opaque and still and max(image.size) <= max_side and turn_after_loading(image) is None:
            return OF_BROWSERS.get(image.format or "")
    return None


def _encoded(picture: Picture, *, lossless: bool) -> UprightPicture:
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    if lossless:
        image.save(buffer, format="PNG", compress_level=FAST)
        return UprightPicture(buffer.getvalue(), OF_BROWSERS["PNG"])
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return UprightPicture(buffer.getvalue(), OF_BROWSERS["JPEG"])
