"""Quality figures of one run, from the lines of its parts and the annotations of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from samfleet.quality.federated import Checked
from samfleet.quality.measures import Measures
from samfleet.quality.protocol import Figure, Truth
from samfleet.quality.run_measures import Row, run_measures
from samfleet.quality.segmentation import Rle, annotation_rle
from samfleet.quality.sizes import AnnotationSizeMismatch, Size, check_size

IMAGES_AT_ONCE = 4  # with a thousand masks each (a megabyte of RLE) they take seconds
UNSEGMENTED: Rle = {"size": [1, 1], "counts": "1"}  # placeholder shape in an image without masks to compare with


class Annotated(Protocol):
    """An annotation of a dataset; `segmentation` is COCO polygons or run lengths."""

    @property
    def annotation_id(self) -> int: ...
    @property
    def category_id(self) -> int: ...
    @property
    def bbox(self) -> Any: ...
    @property
    def area(self) -> float: ...
    @property
    def iscrowd(self) -> bool: ...
    @property
    def segmentation(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Readers:
    """Functions that read facts of a dataset by image id, for some images at once.

    `annotations` are in the order of the annotations file. `sizes` are the (width, height) that the file states, for
    images where it does. `checked` has the images of federated annotations.
    """

    annotations: Callable[[Sequence[int]], Mapping[int, Sequence[Annotated]]]
    sizes: Callable[[Sequence[int]], Mapping[int, Size]] = lambda _image_ids: {}
    checked: Callable[[Sequence[int]], Mapping[int, Checked]] = lambda _image_ids: {}


def evaluate_run(rows: Iterable[Row], read: Readers, measures: Measures) -> list[Figure]:
    """Return the figures of `measures` for `rows`, the lines of part files.

    A failed image has no masks, so its instances count as missed. Raises `AnnotationSizeMismatch` for annotations made
    for an image of another size.
    """
    chosen = run_measures(measures)
    for page in _pages(rows):
        image_ids = [row["image_id"] for row in page]
        annotations, sizes, checked = read.annotations(image_ids), read.sizes(image_ids), read.checked(image_ids)
        for row in page:
            image_id = row["image_id"]
            annotated = annotations.get(image_id, ())
            if row["masks"]:
                _check_size(row, annotated, sizes.get(image_id))
            truths = _truths(row, annotated)
            for measure in chosen:
                measure.add(row, truths, checked.get(image_id, Checked()))
    return [figure for measure in chosen for figure in measure.figures()]


def _pages(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    rest = iter(rows)
    while page := list(islice(rest, IMAGES_AT_ONCE)):
        yield page


def _check_size(row: Row, annotated: Sequence[Annotated], stated: Size | None) -> None:
    try:
        check_size(annotated, stated, row["width"], row["height"])
    except AnnotationSizeMismatch as error:
        raise AnnotationSizeMismatch(f"image {row['image_id']}: {error.message}") from error


def _truths(row: Row, annotations: Sequence[Annotated]) -> dict[int, Truth]:
    height, width = row["height"], row["width"]
    return {
        annotation.annotation_id: Truth(
            annotation.category_id,
            annotation.area,
            annotation.iscrowd,
            annotation_rle(annotation.segmentation, height, width) if row["masks"] else UNSEGMENTED,
        )
        for annotation in annotations
    }
