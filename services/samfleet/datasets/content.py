"""The bytes of a dataset's image, wherever they rest."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from samfleet.image_errors import ImageEmpty, ImageMissing, ImageNameInvalid, ImageTooLarge, ImageUnreadable
from samfleet.regular_files import NotRegularFile, open_resolved
from samfleet.storage.store import ObjectNotFound, ObjectStore

STORE_SCHEME = "store:"
UNUSABLE_SCHEME = "unusable:"  # followed by the reason


def read_image(store: ObjectStore, uri: str, max_bytes: int) -> bytes:
    """The encoded file of `DatasetImage.uri`; never more than `max_bytes` (and one) are read.

    Raises a subclass of `ImageFailed` for what is the image's fault; a store that does not answer is an error of the
    store, worth another try.
    """
    if uri.startswith(UNUSABLE_SCHEME):
        raise ImageNameInvalid(unquote(uri.removeprefix(UNUSABLE_SCHEME)))
    data = _from_store(store, uri, max_bytes) if uri.startswith(STORE_SCHEME) else _from_disk(uri, max_bytes)
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"the file is larger than {max_bytes} bytes; make it smaller or raise SAMFLEET_MAX_IMAGE_BYTES"
        )
    if not data:
        raise ImageEmpty
    return data


def unusable_uri(reason: str) -> str:
    """For `DatasetImage.uri` of an image that is known to fail; reading it says the reason."""
    return UNUSABLE_SCHEME + quote(reason)


def held_bytes(uri: str, listed: int) -> int:
    """How large the file is: as it was listed, or as it is now where that is more."""
    if uri.startswith((STORE_SCHEME, UNUSABLE_SCHEME)):
        return listed
    try:
        return max(listed, _path(uri).stat().st_size)
    except OSError:
        return listed  # reading it says what is wrong


def _path(uri: str) -> Path:
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))


def _from_store(store: ObjectStore, uri: str, max_bytes: int) -> bytes:
    key = uri.removeprefix(STORE_SCHEME)
    try:
        with store.open(key) as file:
            return file.read(max_bytes + 1)
    except ObjectNotFound as error:
        raise ImageMissing(f"the uploaded file is gone from the store ({key}); upload it again") from error


def _from_disk(uri: str, max_bytes: int) -> bytes:
    """Listing resolved all links and checked the roots, so a path that leads elsewhere now was changed since."""
    path = _path(uri)
    if os.path.realpath(path) != str(path):
        raise ImageUnreadable(f"{path} became a symbolic link after the dataset was made; make a new dataset")
    try:
        with open_resolved(path) as file:
            return file.read(max_bytes + 1)
    except NotRegularFile as error:
        raise ImageUnreadable(
            f"{path} is no longer a file ({error.strerror}); put the image back, or make a new dataset"
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageMissing(f"there is no file {path}; it was moved or deleted after the dataset was made") from error
    except OSError as error:
        raise ImageUnreadable(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
