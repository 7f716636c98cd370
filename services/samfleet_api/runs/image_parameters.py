"""Parameters with which a run's images are filtered and sorted."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from samfleet.errors import InvalidInput
from samfleet_api.runs.image_figures import Between, Figure, ImageFilter, ImageOrder, ListedOutcome, ListedReview
from samfleet_api.schemas import StorableText

MOST_MASKS = 2**31 - 1  # the column's limit


class ImageBoundsInvalid(InvalidInput):
    """The least value of a figure is above the greatest; exchange them."""

    code = "image_bounds_invalid"


class ImageSortImpossible(InvalidInput):
    """The images have no figure to sort by, or `from_position` has no place in this order; leave out `sort`."""

    code = "image_sort_impossible"


MaskCount = Annotated[int | None, Query(ge=0, le=MOST_MASKS, description="Bound of the number of masks, inclusive.")]
PredictedIou = Annotated[
    float | None,
    Query(allow_inf_nan=False, description="Bound of the mean predicted IoU of the image's masks, inclusive."),
]
Iou = Annotated[
    float | None, Query(allow_inf_nan=False, description="Bound of the mean IoU with annotated instances, inclusive.")
]
Outcome = Annotated[ListedOutcome | None, Query(description="Only images with this outcome.")]
FileName = Annotated[
    StorableText | None, Query(max_length=1000, description="Only images whose name contains this text, ignoring case.")
]
ErrorCode = Annotated[
    StorableText | None,
    Query(max_length=64, description="Only failed images with this error.", examples=["image_truncated"]),
]
Review = Annotated[
    ListedReview | None,
    Query(
        description="Only segmented images whose review is complete (`reviewed`) or not (`unreviewed`), or that have a "
        "rejected mask (`rejected`)."
    ),
]
Sort = Annotated[
    ImageOrder,
    Query(
        description="`position`: the order of the dataset. Another order lists only images that have the figure; `-` "
        "puts the largest first."
    ),
]
FromPosition = Annotated[
    int,
    Query(
        ge=0,
        le=MOST_MASKS,
        description="Begin at this position of the dataset, from 0. Only in the order of the dataset.",
    ),
]


def _image_filter(
    outcome: Outcome = None,
    file_name: FileName = None,
    error_code: ErrorCode = None,
    min_mask_count: MaskCount = None,
    max_mask_count: MaskCount = None,
    min_predicted_iou: PredictedIou = None,
    max_predicted_iou: PredictedIou = None,
    min_iou: Iou = None,
    max_iou: Iou = None,
    review: Review = None,
) -> ImageFilter:
    figures = {
        Figure.MASK_COUNT: Between(min_mask_count, max_mask_count),
        Figure.PREDICTED_IOU: Between(min_predicted_iou, max_predicted_iou),
        Figure.IOU: Between(min_iou, max_iou),
    }
    for figure, (low, high) in ((figure, (one.low, one.high)) for figure, one in figures.items()):
        if low is not None and high is not None and low > high:
            raise ImageBoundsInvalid(f"min_{figure} is {low} and max_{figure} is {high}; exchange them")
    return ImageFilter(outcome, file_name, error_code, figures, review)


ImageFilterValue = Annotated[ImageFilter, Depends(_image_filter)]


def require_sortable(wanted: ImageFilter, order: ImageOrder, from_position: int) -> None:
    """Raise `ImageSortImpossible` for an order by a figure of images that have none, or one from a position."""
    if order.figure is not None and from_position:
        raise ImageSortImpossible(f"from_position is a place in the order of the dataset, and not of sort={order}")
    if order.figure is not None and wanted.only in {ListedOutcome.FAILED, ListedOutcome.PENDING}:
        raise ImageSortImpossible(f"{wanted.only} images have no {order.figure}; use sort=position")
