"""Files of frames."""

from __future__ import annotations

import io

from PIL import Image


def file_of(picture: Image.Image) -> bytes:
    """Return the picture as a PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
