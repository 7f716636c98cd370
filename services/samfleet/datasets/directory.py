"""Images of a folder on this machine, as long as it lies under one of the allowed roots.

A symbolic link is followed where it stays under the roots; one that leaves them is refused by name rather than
skipped, because a dataset that silently lacks images is worse than an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet.datasets.names import check_file_name, is_image_name
from samfleet.errors import Forbidden, InvalidInput


class DirectoryNotAllowed(Forbidden):
    """This path is not under a folder that SAMFLEET_DATASET_ROOTS allows."""

    code = "directory_not_allowed"


class DirectoryNotFound(InvalidInput):
    """There is no such directory on the server."""

    code = "directory_not_found"


class DirectoryUnreadable(InvalidInput):
    """The server may not read this directory; give its user access."""

    code = "directory_unreadable"


class DatasetEmpty(InvalidInput):
    """The dataset has no images."""

    code = "dataset_empty"


@dataclass(frozen=True, slots=True)
class FoundImage:
    """`name` is the path relative to the listed folder; `path` is where it really lies, all links resolved."""

    name: str
    path: Path
    size_bytes: int


def list_images(directory: str, roots: Sequence[Path], limit: int | None = None) -> list[FoundImage]:
    """The images below `directory`, sorted by relative name; the first `limit` of them."""
    folder = resolve_allowed(directory, roots)
    if not os.path.isdir(folder):  # noqa: PTH112 - unlike Path.is_dir it is never an error, whatever the name
        raise DirectoryNotFound(f"{directory} is not a directory on the server; check the path")
    allowed = [_real(root) for root in roots]
    names = sorted(_walk(folder, "", allowed, (folder,)))
    if not names:
        raise DatasetEmpty(f"{directory} contains no images; files are taken by suffix (.jpg, .png, .webp, .bmp, .tif)")
    return [_found(folder, check_file_name(name)) for name in names[:limit]]


def resolve_allowed(path: str, roots: Sequence[Path]) -> Path:
    """The real path, links resolved; refused before anything says whether a path outside the roots exists."""
    if not _is_utf8(path) or "\x00" in path or not path.startswith("/"):
        raise DirectoryNotFound(f"{path!r} is not an absolute path; start it with '/'")
    real = _real(path)
    if not any(real.is_relative_to(_real(root)) for root in roots):
        allowed = ", ".join(str(root) for root in roots) or "none: this server takes uploads only"
        raise DirectoryNotAllowed(f"{path} is not under an allowed folder (SAMFLEET_DATASET_ROOTS: {allowed})")
    return real


def _walk(folder: Path, prefix: str, roots: Sequence[Path], ancestors: tuple[Path, ...]) -> Iterator[str]:
    """`ancestors` are the real folders on the way here: a link back to one of them has nothing new to show."""
    for name, is_directory in _entries(folder, prefix, roots):
        if not is_directory:
            yield prefix + name
            continue
        real = _real(folder / name)
        if real not in ancestors:
            yield from _walk(real, f"{prefix}{name}/", roots, (*ancestors, real))


def _entries(folder: Path, prefix: str, roots: Sequence[Path]) -> list[tuple[str, bool]]:
    """Names of images and of folders; other files, sockets and the like are left out."""
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.name, _is_directory(entry))
                for entry in entries
                if _is_wanted(entry) and _is_inside(entry, prefix, roots)
            ]
    except PermissionError as error:
        raise DirectoryUnreadable(f"the server may not read {folder}; give its user access") from error


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    """A broken link counts as an image: it gets an error of its own, which someone will see."""
    if _is_directory(entry):
        return True
    path = Path(entry.path)
    return is_image_name(entry.name) and (path.is_file() or (entry.is_symlink() and not path.exists()))


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """`DirEntry.is_dir` fails on a link that points to itself; `Path.is_dir` says no."""
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_inside(entry: os.DirEntry[str], prefix: str, roots: Sequence[Path]) -> bool:
    if not entry.is_symlink() or any(_real(entry.path).is_relative_to(root) for root in roots):
        return True
    raise DirectoryNotAllowed(
        f"{prefix + entry.name!r} is a symbolic link that leaves the allowed folders; copy what it points to, "
        "or allow that folder with SAMFLEET_DATASET_ROOTS"
    )


def _found(folder: Path, name: str) -> FoundImage:
    path = _real(folder / name)
    try:
        size = path.stat().st_size
    except OSError:  # a broken link, or removed meanwhile: its own error will say so when it is read
        size = 0
    return FoundImage(name=name, path=path, size_bytes=size)


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
