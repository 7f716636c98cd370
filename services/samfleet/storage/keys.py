"""Rules for object keys, the same for all stores, so that a key valid in one store is valid in the others."""

from __future__ import annotations

from samfleet.storage.store import StorageKeyInvalid

MAX_KEY_BYTES = 1024  # the limit of S3
MAX_SEGMENT_BYTES = 255  # the limit of Linux file systems
TEMPORARY_FOLDER = ".samfleet-tmp"  # a file store's unfinished writes


def check_key(key: str) -> str:
    _check_encoding(key)
    for segment in key.split("/"):
        _check_segment(key, segment)
    return key


def check_prefix(prefix: str) -> str:
    """Check the start of a key: empty, whole segments, or whole segments and the start of one."""
    if not prefix:
        return prefix
    _check_encoding(prefix)
    for segment in prefix.removesuffix("/").split("/"):
        _check_segment(prefix, segment)
    return prefix


def check_folder(prefix: str) -> str:
    if not prefix.endswith("/"):
        raise StorageKeyInvalid(f"prefix {prefix!r} does not end with '/'; name a folder, such as 'jobs/1/'")
    return check_prefix(prefix)


def _check_encoding(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise StorageKeyInvalid(f"key {key!r} is not valid UTF-8; rename the file") from None
    if size > MAX_KEY_BYTES:
        raise StorageKeyInvalid(f"key of {size} bytes is longer than {MAX_KEY_BYTES}: {key[:60]!r}…; shorten the path")
    if bad := next((character for character in key if character < " " or character in "\\\x7f"), None):
        raise StorageKeyInvalid(f"key {key!r} contains {bad!r}; control characters and backslashes are not allowed")


def _check_segment(key: str, segment: str) -> None:
    if segment == "":
        raise StorageKeyInvalid(f"key {key!r} has an empty part; use a relative path without a leading or double '/'")
    if segment in {".", ".."}:
        raise StorageKeyInvalid(f"key {key!r} contains {segment!r}; use a plain relative path")
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise StorageKeyInvalid(f"key {key[:60]!r}… has a part longer than {MAX_SEGMENT_BYTES} bytes; shorten the name")
    if segment == TEMPORARY_FOLDER:
        raise StorageKeyInvalid(f"key {key!r} contains the reserved name {TEMPORARY_FOLDER!r}; choose another")
