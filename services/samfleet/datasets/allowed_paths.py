"""Paths of this machine that clients may name: those under the allowed roots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from samfleet.datasets.folder_entries import is_of_system, is_utf8, real_path
from samfleet.errors import Forbidden, InvalidInput


class DirectoryNotAllowed(Forbidden):
    """The path is not under a folder that SAMFLEET_DATASET_ROOTS allows."""

    code = "directory_not_allowed"


class DirectoryNotFound(InvalidInput):
    """The directory does not exist on the server."""

    code = "directory_not_found"


def resolve_allowed(path: str, roots: Sequence[Path]) -> Path:
    """Return the real path, with links resolved.

    A path outside the roots is refused before any error could reveal that it exists.
    """
    if not is_utf8(path) or "\x00" in path or not path.startswith("/"):
        raise DirectoryNotFound(f"{path!r} is not an absolute path; start it with '/'")
    real = real_path(path)
    if not any(real.is_relative_to(real_path(root)) for root in roots):
        allowed = ", ".join(str(root) for root in roots) or "none: this server takes uploads only"
        raise DirectoryNotAllowed(f"{path} is not under an allowed folder (SAMFLEET_DATASET_ROOTS: {allowed})")
    if is_of_system(real):
        raise DirectoryNotAllowed(f"{path} belongs to the operating system (/proc, /sys, /dev); name a folder of files")
    return real
