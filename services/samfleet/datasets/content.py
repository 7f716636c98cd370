"""Access to the bytes of a dataset's images: in the object store, on disk, or where their source has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote, unquote_to_bytes

from samfleet.datasets.frame_addresses import FrameAddress, file_of
from samfleet.image_errors import (
    FrameMissing,
    ImageEmpty,
    ImageFailed,
    ImageFormatUnsupported,
    ImageMissing,
    ImageNameInvalid,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    SourceChanged,
    SourceForbidden,
    SourceUnavailable,
    TooManyFrames,
)
from samfleet.regular_files import NotRegularFile, read_resolved
from samfleet.storage.store import ObjectNotFound, ObjectStore

STORE_SCHEME = "store:"
FILE_SCHEME = "file://"
REMOTE_SCHEMES = ("s3://", "http://", "https://")
UNUSABLE_SCHEME = "unusable:"  # followed by the reason, or by a code, a colon and the reason
FAULTS: Mapping[str, type[ImageFailed]] = {
    error.code: error
    for error in (
        FrameMissing,
        ImageEmpty,
        ImageFormatUnsupported,
        ImageMissing,
        ImageTooLarge,
        ImageTruncated,
        ImageUnreadable,
        SourceChanged,
        SourceForbidden,
        SourceUnavailable,
        TooManyFrames,
    )
}

# Readers by scheme of `DatasetImage.uri`, which take the URI and the most bytes and return at most one byte more.
Remote = Mapping[str, Callable[[str, int], bytes]]
NOTHING_REMOTE: Remote = MappingProxyType({})
UNKNOWN_BYTES = 8 * 2**20  # held for a remote image whose size nobody stated; most photographs are smaller


def read_image(store: ObjectStore, uri: str, max_bytes: int, remote: Remote = NOTHING_REMOTE) -> bytes:
    """Return the encoded file of `DatasetImage.uri`; at most `max_bytes` + 1 bytes are read.

    Raises a subclass of `ImageFailed` if the image itself is at fault. Raises the retryable error of a store that does
    not respond.
    """
    if uri.startswith(UNUSABLE_SCHEME):
        code, _, reason = uri.removeprefix(UNUSABLE_SCHEME).rpartition(":")
        raise FAULTS.get(code, ImageNameInvalid)(unquote(reason))
    data = _read(store, uri, max_bytes, remote)
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"the file is larger than {max_bytes} bytes; make it smaller or raise SAMFLEET_MAX_IMAGE_BYTES"
        )
    if not data:
        raise ImageEmpty
    return data


def unusable_uri(reason: str, code: str | None = None) -> str:
    """Return the `DatasetImage.uri` of an image that is known to fail; reading it raises the reason.

    `code` is one of `FAULTS`; by default the name is at fault.
    """
    return f"{UNUSABLE_SCHEME}{code}:{quote(reason)}" if code else UNUSABLE_SCHEME + quote(reason)


def held_bytes(uri: str, listed: int) -> int:
    """Return the size of the file: the listed or, of one on disk, the current one if it is larger.

    A remote image of unknown size, which is listed as 0, counts as `UNKNOWN_BYTES`, and so does a frame: it is a new
    file, and the one in which it lies is not held.
    """
    if FrameAddress.of(uri) is not None:
        return UNKNOWN_BYTES
    if uri.startswith(REMOTE_SCHEMES):
        return listed or UNKNOWN_BYTES
    if not uri.startswith(FILE_SCHEME):
        return listed
    try:
        return max(listed, os.stat(disk_path(uri)).st_size)  # noqa: PTH116 - a `Path` costs more than the call
    except OSError:
        return listed  # reading the file will raise the error


def is_unchanged(uri: str, size_bytes: int, modified_ns: int | None, changed_ns: int | None) -> bool:
    """Return True if the bytes are still those that were listed.

    Those of an upload or of a bucket's object always are: its address names them. A file must have the same times.
    Frames are those of the file in which they lie.
    """
    uri = file_of(uri)
    if not uri.startswith(FILE_SCHEME):
        return True
    try:
        status = os.stat(disk_path(uri))  # noqa: PTH116 - a `Path` costs more than the call
    except OSError:
        return False  # reading the file will raise the error
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns) == (size_bytes, modified_ns, changed_ns)


def _read(store: ObjectStore, uri: str, max_bytes: int, remote: Remote) -> bytes:
    scheme = uri.partition(":")[0]
    if scheme in remote:
        return remote[scheme](uri, max_bytes)
    if uri.startswith(STORE_SCHEME):
        return _from_store(store, uri, max_bytes)
    if uri.startswith(FILE_SCHEME):
        return _from_disk(uri, max_bytes)
    raise ImageUnreadable(f"this process reads no images of {scheme}:// addresses; update it")


def disk_path(uri: str) -> str:
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(FILE_SCHEME)))


def _from_store(store: ObjectStore, uri: str, max_bytes: int) -> bytes:
    key = uri.removeprefix(STORE_SCHEME)
    try:
        with store.open(key) as file:
            return file.read(max_bytes + 1)
    except ObjectNotFound as error:
        raise ImageMissing(f"the uploaded file is missing from the store ({key}); upload it again") from error


def _from_disk(uri: str, max_bytes: int) -> bytes:
    """Read a file on disk. The listing resolved its links and checked the roots, so a link found now is new."""
    path = disk_path(uri)
    try:
        return read_resolved(path, max_bytes + 1)
    except OSError as error:
        raise unreadable_file(path, error) from error


def unreadable_file(path: str, error: OSError) -> ImageFailed:
    if os.path.realpath(path) != path:
        return ImageUnreadable(f"{path} became a symbolic link after the dataset was made; make a new dataset")
    if isinstance(error, NotRegularFile):
        return ImageUnreadable(
            f"{path} is no longer a file ({error.strerror}); restore the image, or make a new dataset"
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ImageMissing(f"{path} does not exist; it was moved or deleted after the dataset was made")
    return ImageUnreadable(f"{path} cannot be read: {error.strerror or error}; check its permissions")
