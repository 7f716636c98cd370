"""Readers of datasets: each opens the files of a recipe and gives images and annotations in COCO's form."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Protocol

from samfleet.datasets.json_array import JsonArrayInvalid
from samfleet.datasets.names import FileNameInvalid, check_upload_name
from samfleet.datasets.recipes.errors import DatasetFilesMissing, DatasetSourceInvalid
from samfleet.datasets.recipes.files import Transfers
from samfleet.datasets.recipes.record import Recipe

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Materials:
    """Places of a recipe's files: `given` by the user, if any, and `downloads`, which recipes may share."""

    recipe: Recipe
    given: Path | None
    downloads: Path
    transfers: Transfers


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that annotations or images came from."""

    url: str
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path, url: str | None = None) -> SourceFile:
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return cls(url or path.name, sha256, path.stat().st_size)


class Source(Protocol):
    """An opened dataset.

    An image is named by its `id`, and `file_name` is its path in the prepared folder. `parallel` is the number of
    images that may be fetched at once.
    """

    parallel: int

    def files(self) -> Sequence[SourceFile]: ...

    def image_ids(self) -> Collection[int]: ...

    def images(self, chosen: Collection[int]) -> Iterator[Entry]:
        """Yield the COCO entries of the chosen images, in the order of the dataset."""

    def annotations(self, chosen: Collection[int]) -> Iterator[Entry]:
        """Yield the COCO annotations of the chosen images."""

    def categories(self) -> Sequence[Entry]: ...

    def fetch(self, image: Entry, target: Path) -> None:
        """Write the file of an image, in one step."""


OpenSource = Callable[[Materials], AbstractContextManager[Source]]


def find_archive(materials: Materials) -> tuple[Path, SourceFile]:
    """Return the recipe's archive: the user's copy if there is one, else the download."""
    remote = materials.recipe.archive
    if remote is None:
        raise DatasetFilesMissing(f"{materials.recipe.name} has no archive to download")
    copy = materials.given / remote.name if materials.given else None
    if copy is not None and copy.is_file():
        materials.transfers.check(remote, copy)
        return copy, SourceFile.of(copy, remote.url)
    path, sha256 = materials.transfers.archive(remote, materials.downloads)
    return path, SourceFile(remote.url, sha256, path.stat().st_size)


def given_path(materials: Materials, name: str) -> Path:
    """Return a file or folder that a person must have downloaded. Raises `DatasetFilesMissing`."""
    recipe = materials.recipe
    if materials.given is None or not (materials.given / name).exists():
        where = "a folder" if materials.given is None else str(materials.given)
        raise DatasetFilesMissing(
            f"{recipe.name} needs {name} in {where}: {recipe.by_hand} ({recipe.page}), and name the folder with --from"
        )
    return materials.given / name


def integer(entry: Any, name: str, where: str) -> int:
    value = entry.get(name) if isinstance(entry, dict) else None
    if type(value) is not int:
        raise DatasetSourceInvalid(f"{where}: an entry has no whole number {name!r}: {str(entry)[:80]}")
    return value


def file_name(name: Any, where: str) -> str:
    """Return the name if it is a relative path that stays in its folder."""
    if not isinstance(name, str):
        raise DatasetSourceInvalid(f"{where}: an image has no name")
    try:
        return check_upload_name(name)
    except FileNameInvalid as error:
        raise DatasetSourceInvalid(f"{where}: {error.message}") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise errors of a damaged archive or JSON file as `DatasetSourceInvalid`."""
    try:
        yield
    except (JsonArrayInvalid, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DatasetSourceInvalid(f"{path} cannot be read: {error}; remove it and try again") from error
