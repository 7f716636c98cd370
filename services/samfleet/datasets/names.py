"""Names of images in a dataset: relative paths with '/', valid in JSON, URLs and all file systems."""

from __future__ import annotations

import re
from importlib.util import find_spec

from samfleet.errors import InvalidInput

MAX_NAME_BYTES = 1024
MAX_PART_BYTES = 255  # between two slashes; the limit of Linux file systems
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ODD_PART = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")
PLUGIN_SUFFIXES = {"pillow_heif": (".heic", ".heif", ".hif"), "pillow_jxl": (".jxl",)}  # of the extra `formats`
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"),
    *(suffix for module, suffixes in PLUGIN_SUFFIXES.items() if find_spec(module) for suffix in suffixes),
)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")  # read by the extra `video`
FRAME_SUFFIXES = (  # of files that may have several frames; a video that cannot be read is an image that fails
    *(".tif", ".tiff", ".gif", ".png", ".apng", ".webp", ".avif"),
    *VIDEO_SUFFIXES,
    *(PLUGIN_SUFFIXES["pillow_heif"] if find_spec("pillow_heif") else ()),
)

SHOWN_SUFFIXES = ".jpg, .png, .webp, .bmp, .tif, .avif, and with a choice of frames .mp4, .gif and others"


class FileNameInvalid(InvalidInput):
    """The file name is not valid; rename the file."""

    code = "file_name_invalid"


def check_file_name(name: str) -> str:
    """Return the name if it is a relative path of plain parts, in valid UTF-8 without control characters.

    Raises `FileNameInvalid`, also for undecodable names of the file system, which have lone surrogates.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise FileNameInvalid(f"file name {name!r} is not valid UTF-8; rename the file") from None
    if len(encoded) > MAX_NAME_BYTES:
        raise FileNameInvalid(
            f"file name {name[:60]!r}… takes {len(encoded)} bytes; shorten it to at most {MAX_NAME_BYTES}"
        )
    if bad := _CONTROL.search(name):
        raise FileNameInvalid(f"file name {name!r} contains the control character {bad[0]!r}; rename the file")
    if _ODD_PART.search(name):
        raise FileNameInvalid(
            f"file name {name!r} is not a plain relative path; "
            "it may not be empty, start or end with '/', or have empty, '.' or '..' parts"
        )
    if len(encoded) > MAX_PART_BYTES and max(map(len, encoded.split(b"/"))) > MAX_PART_BYTES:
        raise FileNameInvalid(f"file name {name[:60]!r}… has a part of more than {MAX_PART_BYTES} bytes; shorten it")
    return name


def check_upload_name(name: str) -> str:
    """Check like `check_file_name`, and refuse backslashes, with which Windows clients separate folders."""
    if "\\" in name:
        raise FileNameInvalid(f"file name {name!r} contains a backslash; separate folders by '/'")
    return check_file_name(name)


def storable_name(name: str) -> str:
    """Return the name with escapes for characters that cannot be stored, cut to the maximum length."""
    escaped = "".join(_escaped(character) for character in name)
    encoded = escaped.encode("utf-8", "backslashreplace")
    return encoded[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # Python's surrogate escape of a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character < " " or "\x7f" <= character <= "\x9f":
        return f"\\x{ord(character):02x}"
    return character


def is_image_name(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def has_frames(name: str) -> bool:
    """Return True if a file of this name may have several frames."""
    return name.lower().endswith(FRAME_SUFFIXES)
