"""The bytes of a dataset's image, wherever they rest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from samfleet.datasets.directory import resolve_allowed
from samfleet.datasets.uploads import ImageTooLarge
from samfleet.errors import InvalidInput
from samfleet.storage.store import ObjectStore

STORE_SCHEME = "store:"


class ImageFileMissing(InvalidInput):
    """The image file is not there any more, or the server may not read it."""

    code = "image_file_missing"


def read_image(uri: str, store: ObjectStore, roots: Sequence[Path], max_bytes: int) -> bytes:
    """The encoded file of `DatasetImage.uri`; a path is checked against the roots again, for links change."""
    if uri.startswith(STORE_SCHEME):
        return _within(uri, store.get(uri.removeprefix(STORE_SCHEME)), max_bytes)
    path = resolve_allowed(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)), roots)
    try:
        with path.open("rb") as file:
            return _within(uri, file.read(max_bytes + 1), max_bytes)
    except OSError as error:
        raise ImageFileMissing(f"{path} cannot be read ({error.strerror}); put the file back") from error


def _within(uri: str, data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise ImageTooLarge(f"{uri} has more than {max_bytes} bytes, the most this server accepts")
    return data
