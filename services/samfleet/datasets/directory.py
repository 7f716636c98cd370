"""Listing of the images in a folder of this machine, which must be under one of the allowed roots.

A symbolic link is followed if its target is under the roots. A link out of them is an error that names it, not
skipped: a dataset that silently lacks images is worse than an error. For the same reason, a listing that exceeds a
limit is an error, never a shorter list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet.datasets.allowed_paths import DirectoryNotFound, resolve_allowed
from samfleet.datasets.folder_entries import (
    real_path,
)
from samfleet.datasets.folder_walk import FolderWalk, FoundImage, ListingLimits
from samfleet.datasets.left_out import LeftOut, describe
from samfleet.datasets.names import SHOWN_SUFFIXES, FileNameInvalid, check_file_name, storable_name
from samfleet.errors import InvalidInput


class DatasetEmpty(InvalidInput):
    """The dataset has no images."""

    code = "dataset_empty"


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Image files below a folder, sorted by relative name; only the names are in memory.

    `names` are as a dataset stores them. `odd` has, by such a name, the real name and the fault of a file whose name
    cannot be stored. The files are looked at one by one in `images`.
    """

    names: list[str]
    left_out: tuple[LeftOut, ...]
    odd: Mapping[str, tuple[str, str]]
    walk: FolderWalk

    def images(self) -> Iterator[FoundImage]:
        for name in self.names:
            if name in self.odd:
                real, fault = self.odd[name]
                yield FoundImage(name, self.walk.path_of(real), 0, fault=fault)
            else:
                yield self.walk.measured(name)


def list_files(
    directory: str,
    roots: Sequence[Path],
    limit: int | None = None,
    limits: ListingLimits | None = None,
    *,
    with_hidden: bool = False,
    with_frames: bool = False,
    on_entry: Callable[[int], None] = lambda _seen: None,
) -> FolderFiles:
    """Return the first `limit` image files below `directory`.

    Hidden entries and those of operating systems are left out unless `with_hidden`. Files that are images only as
    frames, such as GIFs, are returned only `with_frames`. The state folder of a stack is
    always left out. For `on_entry` see `FolderWalk`.
    """
    folder = resolve_allowed(directory, roots)
    if not os.path.isdir(folder):  # noqa: PTH112 - unlike Path.is_dir it never raises
        raise DirectoryNotFound(f"{directory} is not a directory on the server; check the path")
    real_roots = [real_path(root) for root in roots]
    options = {"with_hidden": with_hidden, "with_frames": with_frames}
    walk = FolderWalk(folder, real_roots, limits or ListingLimits(), **options, on_entry=on_entry)
    found = sorted(walk.images())
    left_out = walk.left_out.all()
    if not found:
        omitted = f"; left out: {describe(left_out)}" if left_out else ""
        raise DatasetEmpty(f"{directory} contains no images; files are taken by suffix ({SHOWN_SUFFIXES}){omitted}")
    odd = _storable_names(found, limit)
    return FolderFiles(found[:limit], left_out, odd, walk)


def _storable_names(found: list[str], limit: int | None) -> dict[str, tuple[str, str]]:
    """Give unique escaped names to the files, in place, whose names cannot be stored.

    Returns (real name, fault) by escaped name.
    """
    odd: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for index, name in enumerate(found[:limit]):
        try:
            check_file_name(name)
        except FileNameInvalid as error:
            given = storable_name(name)
            taken = taken or set(found)  # made only if it is needed: it takes as much memory as the list
            while given in taken:
                given = f"{given[:-1]}~"
            taken.add(given)
            odd[given] = (name, error.message)
            found[index] = given
    return odd
