"""Errors of manifests; those about a line begin with its number."""

from __future__ import annotations

from samfleet.errors import Conflict, InvalidInput, SamfleetError, TooLarge


class ManifestInvalid(InvalidInput):
    """A line of the manifest is not valid; correct it."""

    code = "manifest_invalid"


class ManifestDuplicate(InvalidInput):
    """Two lines of the manifest have the same file name or id; they must be unique."""

    code = "manifest_duplicate"


class ManifestFormatUnknown(InvalidInput):
    """The format of the manifest is not known; name it .jsonl, .csv or .parquet, or state its format."""

    code = "manifest_format_unknown"


class ManifestNotFound(InvalidInput):
    """The manifest does not exist where the request says."""

    code = "manifest_not_found"


class ManifestTooLarge(TooLarge):
    """The manifest is larger than this server accepts."""

    code = "manifest_too_large"


class ManifestLibraryMissing(SamfleetError):
    """The server lacks the package that reads this format of manifests; the message says which."""

    code = "manifest_library_missing"


class DatasetNotEmpty(Conflict):
    """The dataset already has images, or files about them; create another one."""

    code = "dataset_not_empty"


def in_line(line: int, error: SamfleetError) -> SamfleetError:
    """Return the error with the number of the line before its message."""
    return type(error)(f"line {line}: {error.message}")
