"""Listing of the images in a folder of this machine, which must be under one of the allowed roots.

A symbolic link is followed if its target is under the roots. A link out of them is an error that names it, not
skipped: a dataset that silently lacks images is worse than an error. For the same reason, a listing that exceeds a
limit is an error, never a shorter list.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet.datasets.content import unusable_uri
from samfleet.datasets.folder_entries import (
    is_directory,
    is_file_or_broken,
    is_of_system,
    is_state,
    is_utf8,
    real_path,
)
from samfleet.datasets.left_out import LeftOut, LeftOutTally, Reason, describe, reason_of
from samfleet.datasets.names import FileNameInvalid, check_file_name, storable_name
from samfleet.errors import Forbidden, InvalidInput
from samfleet.regular_files import open_folder

NAMES_OF_A_FOLDER = 16  # most links followed to one folder; two links a level would double the names at each level


class DirectoryNotAllowed(Forbidden):
    """The path is not under a folder that SAMFLEET_DATASET_ROOTS allows."""

    code = "directory_not_allowed"


class DirectoryNotFound(InvalidInput):
    """The directory does not exist on the server."""

    code = "directory_not_found"


class DirectoryUnreadable(InvalidInput):
    """The server cannot read this directory; give its user access."""

    code = "directory_unreadable"


class DirectoryTooLarge(InvalidInput):
    """The directory is too deep, has too many entries, or takes too long to list; name a smaller one."""

    code = "directory_too_large"


class DirectoryLinksRepeat(InvalidInput):
    """Symbolic links lead to the same folder too many times; remove them."""

    code = "directory_links_repeat"


class DatasetEmpty(InvalidInput):
    """The dataset has no images."""

    code = "dataset_empty"


@dataclass(frozen=True, slots=True)
class ListingLimits:
    """Limits of a listing: `depth` of folders below the listed one, `entries` of all kinds, and `seconds`."""

    depth: int = 32
    entries: int = 2_000_000
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file: `name` is relative to the listed folder, `path` is absolute with all links resolved.

    An image with a `fault` will fail with this message.
    """

    name: str
    path: Path
    size_bytes: int
    fault: str | None = None

    @property
    def uri(self) -> str:
        return self.path.as_uri() if self.fault is None else unusable_uri(self.fault)


@dataclass(frozen=True, slots=True)
class FolderListing:
    images: list[FoundImage]
    left_out: tuple[LeftOut, ...]


def list_images(
    directory: str,
    roots: Sequence[Path],
    limit: int | None = None,
    limits: ListingLimits | None = None,
    *,
    with_hidden: bool = False,
) -> FolderListing:
    """Return the first `limit` images below `directory`, sorted by relative name.

    Hidden entries and those of operating systems are left out unless `with_hidden`. The state folder of a stack is
    always left out.
    """
    folder = resolve_allowed(directory, roots)
    if not os.path.isdir(folder):  # noqa: PTH112 - unlike Path.is_dir it never raises
        raise DirectoryNotFound(f"{directory} is not a directory on the server; check the path")
    real_roots = [real_path(root) for root in roots]
    listing = _Listing(folder, real_roots, limits or ListingLimits(), with_hidden=with_hidden)
    found = sorted(listing.images())
    left_out = listing.left_out.all()
    if not found:
        omitted = f"; left out: {describe(left_out)}" if left_out else ""
        raise DatasetEmpty(
            f"{directory} contains no images; files are taken by suffix (.jpg, .png, .webp, .bmp, .tif){omitted}"
        )
    return FolderListing(_with_storable_names(listing, found, limit), left_out)


def _with_storable_names(listing: _Listing, found: Sequence[tuple[str, Path]], limit: int | None) -> list[FoundImage]:
    """Return the images; one whose name cannot be stored gets a unique escaped name and a fault."""
    taken, images = {name for name, _ in found}, []
    for name, path in found[:limit]:
        try:
            images.append(listing.measured(check_file_name(name), path))
        except FileNameInvalid as error:
            given = storable_name(name)
            while given in taken:
                given = f"{given[:-1]}~"
            taken.add(given)
            images.append(FoundImage(given, path, 0, fault=error.message))
    return images


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


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to list. `way` has the device and inode numbers of its ancestors, to detect links back to them."""

    path: Path
    prefix: str
    way: tuple[tuple[int, int], ...]


class _Listing:
    """An iterative walk through the folders, within the limits."""

    def __init__(self, top: Path, roots: Sequence[Path], limits: ListingLimits, *, with_hidden: bool) -> None:
        self.left_out = LeftOutTally()
        self._with_hidden = with_hidden
        self._top = top
        self._roots = roots
        self._limits = limits
        self._entries = 0
        self._names: Counter[tuple[int, int]] = Counter()
        self._until = time.monotonic() + limits.seconds

    def images(self) -> Iterator[tuple[str, Path]]:
        """Yield relative names with real paths, or with the path of a link, in no particular order."""
        waiting = [_Folder(self._top, "", ())]
        while waiting:
            folder = waiting.pop()
            try:
                yield from self._images_of(folder, waiting)
            except OSError as error:
                raise DirectoryUnreadable(
                    f"the server cannot read {folder.path} ({error.strerror or error}); give its user access, "
                    "and do not change the folder while it is listed"
                ) from error

    def measured(self, name: str, path: Path) -> FoundImage:
        self._check_time()
        real = real_path(path) if path.is_symlink() else path
        try:
            size = real.stat().st_size
        except OSError:  # a broken link, or removed meanwhile: reading it will raise the error
            size = 0
        return FoundImage(name, real, size)

    def _images_of(self, folder: _Folder, waiting: list[_Folder]) -> Iterator[tuple[str, Path]]:
        descriptor = open_folder(folder.path)
        try:
            way = self._entered(folder, os.fstat(descriptor))
            if way is None:
                return
            if folder.prefix and is_state(descriptor):
                self.left_out.add("state", folder.prefix)
                return
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._count()
                    path = folder.path / entry.name
                    is_folder = is_directory(entry)
                    reason = self._reason(entry, is_folder=is_folder)
                    if reason is not None:
                        self.left_out.add(reason, f"{folder.prefix}{entry.name}{'/' if is_folder else ''}")
                    elif is_folder:
                        inner = self._inside(entry, path, folder)
                        if not is_of_system(inner):
                            waiting.append(_Folder(inner, f"{folder.prefix}{entry.name}/", way))
                    else:
                        self._inside(entry, path, folder)
                        yield folder.prefix + entry.name, path
        finally:
            os.close(descriptor)

    def _reason(self, entry: os.DirEntry[str], *, is_folder: bool) -> Reason | None:
        reason = reason_of(entry.name, is_folder=is_folder, with_hidden=self._with_hidden)
        if reason is None and not is_folder and not is_file_or_broken(entry):
            return "other"  # a pipe or a device
        return reason

    def _entered(self, folder: _Folder, status: os.stat_result) -> tuple[tuple[int, int], ...] | None:
        """Return `way` with this folder appended; None if a link leads back to a folder on it."""
        key = (status.st_dev, status.st_ino)
        if key in folder.way:
            return None
        if len(folder.way) > self._limits.depth:
            raise DirectoryTooLarge(
                f"{folder.prefix[:200]!r} is more than {self._limits.depth} folders deep; "
                "name a folder further down, or raise SAMFLEET_MAX_LISTING_DEPTH"
            )
        self._names[key] += 1
        if self._names[key] > NAMES_OF_A_FOLDER:
            raise DirectoryLinksRepeat(
                f"symbolic links lead to {folder.path} under more than {NAMES_OF_A_FOLDER} names, the last being "
                f"{folder.prefix[:200]!r}; remove links, or name the folder itself"
            )
        return (*folder.way, key)

    def _inside(self, entry: os.DirEntry[str], path: Path, folder: _Folder) -> Path:
        """Return the real path of the entry. Raises `DirectoryNotAllowed` if it is outside the roots."""
        if not entry.is_symlink():
            return path
        real = real_path(path)
        if any(real.is_relative_to(root) for root in self._roots) and not is_of_system(real):
            return real
        raise DirectoryNotAllowed(
            f"{folder.prefix + entry.name!r} is a symbolic link that leaves the allowed folders; copy what it points "
            "to, or allow that folder with SAMFLEET_DATASET_ROOTS"
        )

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise DirectoryTooLarge(
                f"{self._top} has more than {self._limits.entries} files and folders; name a smaller folder, or raise "
                "SAMFLEET_MAX_LISTING_ENTRIES"
            )
        self._check_time()

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise DirectoryTooLarge(
                f"{self._top} takes longer than {self._limits.seconds:g} s to list; name a smaller folder, or raise "
                "SAMFLEET_LISTING_TIME"
            )
