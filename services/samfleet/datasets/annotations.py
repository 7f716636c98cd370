"""Streaming reader of COCO instances files.

A file is read twice, for images and categories, then for annotations, because annotations may precede the images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from samfleet.datasets.annotation_entries import (
    Annotation,
    AnnotationLimits,
    AnnotationsInvalid,
    InstanceReader,
    Size,
    read_categories,
)
from samfleet.datasets.image_entries import CheckedCategories, ImageEntries, read_images
from samfleet.datasets.json_array import JsonArrayInvalid, iter_json_members

OpenFile = Callable[[], AbstractContextManager[IO[bytes]]]  # opens the file at its start


@dataclass(slots=True)
class Tally:
    """Counters of annotations read: `used` belong to the chosen images, `unused` do not, `boxes` of the used have no
    mask.
    """

    used: int = 0
    unused: int = 0
    boxes: int = 0


@dataclass(frozen=True, slots=True)
class CocoInstances:
    """A file with its images and categories in memory; each iteration over its annotations reads the file again."""

    open_file: OpenFile
    limits: AnnotationLimits
    image_ids: Mapping[str, int]  # by file_name, or by coco_url without one
    sizes: Mapping[int, Size | None]  # (height, width) by image id, None if the file does not state it
    originals: Mapping[int, str]  # file names before an export, by image id
    categories: tuple[dict[str, Any], ...]
    checked: Mapping[int, CheckedCategories]  # by image id, in federated annotations

    def annotations(self) -> Iterator[Annotation]:
        """Yield all annotations, validated, in the order of the file."""
        reader = InstanceReader(self.sizes, self.limits)
        for name, entries in _members(self.open_file):
            if name == "annotations" and entries is not None:
                yield from reader.read(entries)

    def of_images(self, image_ids: Collection[int], tally: Tally) -> Iterator[Annotation]:
        """Yield the annotations of these images. All annotations are validated and counted in `tally`."""
        for annotation in self.annotations():
            if annotation.image_id not in image_ids:
                tally.unused += 1
                continue
            tally.used += 1
            tally.boxes += not annotation.segmentation
            yield annotation

    def require_any(self, image_ids: Collection[int]) -> None:
        """Raise `AnnotationsInvalid` if the file lists none of these images."""
        if self.image_ids and set(image_ids).isdisjoint(self.image_ids.values()):
            raise AnnotationsInvalid(
                f"none of the file names in images ({len(self.image_ids)}, such as {next(iter(self.image_ids))!r}) is "
                "in this dataset; they are matched by the path relative to the dataset, or by parts of it"
            )


def read_annotations(open_file: OpenFile, limits: AnnotationLimits | None = None) -> CocoInstances:
    """Read images and categories; skip annotations, which may precede the images that they refer to."""
    limits = limits or AnnotationLimits()
    lists: dict[str, bool] = {}
    images = ImageEntries()
    categories: tuple[dict[str, Any], ...] = ()
    for name, entries in _members(open_file):
        lists[name] = entries is not None
        if name == "images" and entries is not None:
            images = read_images(entries, limits.entries)
        elif name == "categories" and entries is not None:
            categories = read_categories(entries)
    for name in ("images", "annotations", "categories"):
        if not lists.get(name, name == "categories"):
            raise AnnotationsInvalid(f"the annotations file needs a list named {name!r}")
    return CocoInstances(open_file, limits, images.ids, images.sizes, images.originals, categories, images.checked)


def _members(open_file: OpenFile) -> Iterator[tuple[str, Iterator[Any] | None]]:
    with open_file() as file, _explained():
        for name, entries in iter_json_members(file):
            yield name, None if entries is None else _read_on(entries)


def _read_on(entries: Iterator[Any]) -> Iterator[Any]:
    with _explained():
        yield from entries


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except JsonArrayInvalid as error:
        raise AnnotationsInvalid(f"the annotations file {error}") from error
