"""Names of images inside a dataset: relative paths with '/' that JSON, URLs and every file system can carry."""

from __future__ import annotations

from samfleet.errors import InvalidInput

MAX_NAME_BYTES = 1024
MAX_PART_BYTES = 255  # of one part between slashes; the limit of Linux file systems
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff")


class FileNameInvalid(InvalidInput):
    """The file name is not valid; rename the file."""

    code = "file_name_invalid"


def check_file_name(name: str) -> str:
    """The name itself, when it is a relative path of plain parts in valid UTF-8 without control characters.

    Names that the file system gave as undecodable bytes hold lone surrogates and are refused as not UTF-8.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise FileNameInvalid(f"file name {name!r} is not valid UTF-8; rename the file") from None
    if len(encoded) > MAX_NAME_BYTES:
        raise FileNameInvalid(
            f"file name {name[:60]!r}… takes {len(encoded)} bytes; shorten it to at most {MAX_NAME_BYTES}"
        )
    if bad := next((character for character in name if character < " " or "\x7f" <= character <= "\x9f"), None):
        raise FileNameInvalid(f"file name {name!r} contains the control character {bad!r}; rename the file")
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            raise FileNameInvalid(
                f"file name {name!r} is not a plain relative path; "
                "it may not be empty, start or end with '/', or have empty, '.' or '..' parts"
            )
        if len(part.encode()) > MAX_PART_BYTES:
            raise FileNameInvalid(
                f"file name {name[:60]!r}… has a part of more than {MAX_PART_BYTES} bytes; shorten it"
            )
    return name


def check_upload_name(name: str) -> str:
    """As `check_file_name`; a backslash is refused too, because it is how Windows clients write a folder."""
    if "\\" in name:
        raise FileNameInvalid(f"file name {name!r} contains a backslash; separate folders by '/'")
    return check_file_name(name)


def storable_name(name: str) -> str:
    """The name where it can be stored; else with escapes for characters that cannot, and cut where it is too long."""
    escaped = "".join(_escaped(character) for character in name)
    encoded = escaped.encode("utf-8", "backslashreplace")
    return encoded[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as Python carries it
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character < " " or "\x7f" <= character <= "\x9f":
        return f"\\x{ord(character):02x}"
    return character


def is_image_name(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)
