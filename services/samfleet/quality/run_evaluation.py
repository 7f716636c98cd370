"""Quality figures of one run, from the lines of its parts and the annotations of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from samfleet.quality.agreement import Agreement
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.measures import Measures
from samfleet.quality.protocol import AREAS, CLASS_AGNOSTIC, CLASS_AWARE, Figure, Found, Truth
from samfleet.quality.segmentation import Rle, annotation_rle
from samfleet.quality.sizes import AnnotationSizeMismatch, Size, check_size

IMAGES_AT_ONCE = 4  # with a thousand masks each (a megabyte of RLE) they take seconds
UNSEGMENTED: Rle = {"size": [1, 1], "counts": "1"}  # placeholder shape in an image without masks to compare with

Row = Mapping[str, Any]


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


ReadAnnotations = Callable[[Sequence[int]], Mapping[int, Sequence[Annotated]]]
ReadSizes = Callable[[Sequence[int]], Mapping[int, Size]]


def evaluate_run(
    rows: Iterable[Row],
    read_annotations: ReadAnnotations,
    measures: Measures,
    read_sizes: ReadSizes = lambda _image_ids: {},
) -> list[Figure]:
    """Return the figures of `measures` for `rows`, the lines of part files.

    A failed image has no masks, so its instances count as missed. `read_annotations` returns annotations by image id,
    in the order of the annotations file; `read_sizes` the (width, height) that the file states for images. Raises
    `AnnotationSizeMismatch` for annotations made for an image of another size.
    """
    recall = Evaluation(CLASS_AGNOSTIC) if measures.recall else None
    precision = Evaluation(CLASS_AWARE) if measures.precision else None
    agreement = Agreement() if measures.agreement else None
    for page in _pages(rows):
        image_ids = [row["image_id"] for row in page]
        annotations, sizes = read_annotations(image_ids), read_sizes(image_ids)
        for row in page:
            annotated = annotations.get(row["image_id"], ())
            if row["masks"]:
                _check_size(row, annotated, sizes.get(row["image_id"]))
            truths = _truths(row, annotated)
            masks = row["masks"]
            if recall is not None:
                recall.add(row["image_id"], tuple(truths.values()), [_proposal(mask) for mask in masks])
            if precision is not None:
                precision.add(row["image_id"], tuple(truths.values()), [_detection(mask) for mask in masks])
            if agreement is not None:
                agreement.add(truths, _best_masks(masks))
    return [
        *(agreement.figures() if agreement else ()),
        *(_recalls(recall) if recall else ()),
        *(_precisions(precision) if precision else ()),
    ]


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


def _proposal(mask: Row) -> Found:
    return Found(mask.get("category_id", 0), mask["predicted_iou"], mask["area"], mask["segmentation"])


def _detection(mask: Row) -> Found:
    """Return a mask scored as in exported results: by the detection's score, else by the predicted IoU."""
    score = mask.get("detection_score", mask["predicted_iou"])
    return Found(mask["category_id"], score, mask["area"], mask["segmentation"])


def _best_masks(masks: Sequence[Row]) -> dict[int, Rle]:
    """Return the mask of the highest predicted IoU by annotation id; the first on ties."""
    best: dict[int, Row] = {}
    for mask in masks:
        known = best.get(mask["annotation_id"])
        if known is None or mask["predicted_iou"] > known["predicted_iou"]:
            best[mask["annotation_id"]] = mask
    return {annotation_id: mask["segmentation"] for annotation_id, mask in best.items()}


def _recalls(evaluation: Evaluation) -> Iterator[Figure]:
    for area in AREAS:
        for limit in CLASS_AGNOSTIC.limits:
            value = evaluation.recall(area, limit)
            if value is not None:
                yield Figure("ar", area, limit, value, evaluation.instances(area))


def _precisions(evaluation: Evaluation) -> Iterator[Figure]:
    limit = CLASS_AWARE.limits[-1]
    for area in AREAS:
        precisions = evaluation.precisions(area)
        if precisions is None:
            continue
        instances = evaluation.instances(area)
        yield Figure("ap", area, limit, float(precisions.mean()), instances)
        if area == "all":
            at_half, at_three_quarters = precisions[0], precisions[5]
            yield Figure("ap50", area, limit, float(at_half.mean()), instances)
            yield Figure("ap75", area, limit, float(at_three_quarters.mean()), instances)
