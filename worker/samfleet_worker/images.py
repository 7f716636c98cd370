"""An image's size from its header, for prompts that are drawn before the image is decoded."""

from __future__ import annotations

import io

from PIL import ExifTags, Image

from samfleet.masks.image_errors import ImageTooLarge, ImageUnreadable

TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height


def upright_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """(width, height) in pixels after EXIF orientation, from the header alone."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"the image has more pixels than the limit of {max_pixels}") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's readers raise for damaged headers
        raise ImageUnreadable(f"this is not an image that can be read: {error}") from error
    if width * height > max_pixels:
        raise ImageTooLarge(f"the image has {width} x {height} pixels, more than the limit of {max_pixels}")
    return (height, width) if orientation in TURNED else (width, height)
