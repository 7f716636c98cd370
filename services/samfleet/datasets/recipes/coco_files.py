"""Datasets in COCO's form: annotations in a zip, and images at their URLs or in the same zip."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from samfleet.datasets.json_array import iter_json_members
from samfleet.datasets.recipes.errors import DatasetSourceInvalid
from samfleet.datasets.recipes.files import Transfers
from samfleet.datasets.recipes.layouts import Entry, Materials, SourceFile, file_name, find_archive, integer, readable


class ZippedCoco:
    """A COCO instances file in a zip; images are in memory, annotations are read again each time."""

    parallel = 1

    def __init__(self, archive: zipfile.ZipFile, member: str, source: SourceFile, transfers: Transfers) -> None:
        if member not in archive.namelist():
            raise DatasetSourceInvalid(f"{archive.filename} has no member {member}; it is not the expected archive")
        self._archive = archive
        self._member = member
        self._source = source
        self._transfers = transfers

    @cached_property
    def _images(self) -> dict[int, Entry]:
        return {integer(entry, "id", "images"): self._named(entry) for entry in self._list("images")}

    def files(self) -> Sequence[SourceFile]:
        return [self._source]

    def image_ids(self) -> Collection[int]:
        return self._images.keys()

    def images(self, chosen: Collection[int]) -> Iterator[Entry]:
        return (entry for image_id, entry in self._images.items() if image_id in chosen)

    def annotations(self, chosen: Collection[int]) -> Iterator[Entry]:
        return (entry for entry in self._list("annotations") if integer(entry, "image_id", "annotations") in chosen)

    def categories(self) -> Sequence[Entry]:
        return list(self._list("categories"))

    def fetch(self, image: Entry, target: Path) -> None:
        """Extract the image, which lies beside the annotations."""
        name = f"{self._member.rpartition('/')[0]}/{image['file_name']}"
        try:
            member = self._archive.getinfo(name)
        except KeyError as error:
            raise DatasetSourceInvalid(f"{self._archive.filename} has no member {name}") from error
        with readable(Path(self._archive.filename or "")), self._archive.open(member) as file:
            self._transfers.copy(file, member.file_size, target)

    def _named(self, entry: Any) -> Entry:
        return {**entry, "file_name": file_name(entry.get("file_name"), "images")}

    def _list(self, wanted: str) -> Iterator[Any]:
        with readable(Path(self._archive.filename or "")), self._archive.open(self._member) as file:
            for name, entries in iter_json_members(file):
                if name == wanted and entries is not None:
                    yield from entries
                    return
        raise DatasetSourceInvalid(f"{self._member} has no list named {wanted!r}")


class ImagesByUrl(ZippedCoco):
    """COCO and LVIS: an image is fetched from its `coco_url`, by whose last part it is named."""

    parallel = 8

    def fetch(self, image: Entry, target: Path) -> None:
        self._transfers.image(image["coco_url"], target)

    def _named(self, entry: Any) -> Entry:
        url = entry.get("coco_url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise DatasetSourceInvalid(f"image {entry['id']} has no coco_url to fetch it from")
        return {**entry, "file_name": file_name(url.rpartition("/")[2], "images")}


@contextmanager
def open_images_by_url(materials: Materials) -> Iterator[ImagesByUrl]:
    with _opened(materials) as (archive, source):
        yield ImagesByUrl(archive, materials.recipe.member, source, materials.transfers)


@contextmanager
def open_zip_of_sets(materials: Materials) -> Iterator[ZippedCoco]:
    with _opened(materials) as (archive, source):
        yield ZippedCoco(archive, materials.recipe.member, source, materials.transfers)


@contextmanager
def _opened(materials: Materials) -> Iterator[tuple[zipfile.ZipFile, SourceFile]]:
    path, source = find_archive(materials)
    with readable(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive, source
