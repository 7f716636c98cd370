"""Reading the image files of a dataset, and what makes one of them unusable."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from PIL import ExifTags, Image

from samfleet.errors import InvalidInput
from samfleet.storage.store import ObjectNotFound, ObjectStore

STORE_SCHEME = "store:"
TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height


class ImageFailed(InvalidInput):
    """This image cannot be segmented, now or ever; its row says why and the others go on."""

    code = "image_failed"
    stage: ClassVar[str] = "fetch"


class ImageMissing(ImageFailed):
    """The image file is gone."""

    code = "image_missing"


class ImageTooLarge(ImageFailed):
    """The image file is larger than SAMFLEET_MAX_IMAGE_BYTES allows."""

    code = "image_too_large"


class ImageUnreadable(ImageFailed):
    """The image file cannot be read."""

    code = "image_unreadable"


class ImageEmpty(ImageFailed):
    """The image file is empty (0 bytes)."""

    code = "image_empty"


def fetch_image(store: ObjectStore, uri: str, max_bytes: int) -> bytes:
    """The file behind a dataset's `file:///…` or `store:<key>` address; never more than `max_bytes` are read.

    A store that does not answer is an error of the store (worth another try), not of the image.
    """
    data = _from_store(store, uri, max_bytes) if uri.startswith(STORE_SCHEME) else _from_disk(uri, max_bytes)
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"the file is larger than {max_bytes} bytes; make it smaller or raise SAMFLEET_MAX_IMAGE_BYTES"
        )
    if not data:
        raise ImageEmpty
    return data


def _from_store(store: ObjectStore, uri: str, max_bytes: int) -> bytes:
    key = uri.removeprefix(STORE_SCHEME)
    try:
        with store.open(key) as file:
            return file.read(max_bytes + 1)
    except ObjectNotFound as error:
        raise ImageMissing(f"the uploaded file is gone from the store ({key})") from error


def _from_disk(uri: str, max_bytes: int) -> bytes:
    path = Path(unquote(urlsplit(uri).path))
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageMissing(f"there is no file {path}; it was moved or deleted after the dataset was made") from error
    except OSError as error:
        raise ImageUnreadable(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error


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
