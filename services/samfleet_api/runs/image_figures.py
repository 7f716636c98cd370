"""Figures by which a run's images are filtered and sorted, and the conditions of a list of images."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, and_, case, exists, literal, literal_column, text

from samfleet.db.models import DatasetImage, ImageResult, ImageReview, Outcome
from samfleet.db.models.results import COMPARED_SQL, IMAGE_MS_SQL, IOU_SQL, SCORED_SQL, SUCCEEDED_SQL, TIMED_SQL


class ListedOutcome(enum.StrEnum):
    """Outcome of an image so far."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"  # not recorded; final if the run was cancelled or failed


class ListedReview(enum.StrEnum):
    """State of the review of a segmented image."""

    REVIEWED = "reviewed"  # no mask is undecided
    UNREVIEWED = "unreviewed"
    REJECTED = "rejected"  # at least one mask is rejected


class Figure(enum.StrEnum):
    MASK_COUNT = "mask_count"
    IMAGE_MS = "image_ms"
    PREDICTED_IOU = "predicted_iou"
    IOU = "iou"


class ImageOrder(enum.StrEnum):
    """Order of a list of images; `-` puts the largest figure first."""

    POSITION = "position"
    MASK_COUNT = "mask_count"
    MASK_COUNT_DESCENDING = "-mask_count"
    IMAGE_MS = "image_ms"
    IMAGE_MS_DESCENDING = "-image_ms"
    PREDICTED_IOU = "predicted_iou"
    PREDICTED_IOU_DESCENDING = "-predicted_iou"
    IOU = "iou"
    IOU_DESCENDING = "-iou"

    @property
    def figure(self) -> Figure | None:
        """The figure; None for the order of the dataset."""
        return None if self is ImageOrder.POSITION else Figure(self.removeprefix("-"))

    @property
    def descending(self) -> bool:
        return self.startswith("-")


@dataclass(frozen=True, slots=True)
class FigureSql:
    """SQL of a figure, as its index has it, and the condition of that index: the image has the figure."""

    value: ColumnElement[Any]
    has: str

    @property
    def condition(self) -> ColumnElement[bool]:
        return text(self.has)  # type: ignore[return-value]  # a text clause is a condition

    @property
    def or_null(self) -> ColumnElement[Any]:
        return case((self.condition, self.value))


FIGURES: Mapping[Figure, FigureSql] = {
    Figure.MASK_COUNT: FigureSql(ImageResult.mask_count.expression, SUCCEEDED_SQL),
    Figure.IMAGE_MS: FigureSql(literal_column(IMAGE_MS_SQL, Double), TIMED_SQL),
    Figure.PREDICTED_IOU: FigureSql(ImageResult.predicted_iou.expression, SCORED_SQL),
    Figure.IOU: FigureSql(literal_column(IOU_SQL, Double), COMPARED_SQL),
}


def bound_value(figure: Figure, value: float) -> ColumnElement[Any]:
    """Return a bound of a figure in the type of its column, without which the index would not be used."""
    return literal(value, Integer if figure is Figure.MASK_COUNT else Double)


@dataclass(frozen=True, slots=True)
class Between:
    """Inclusive bounds of a figure; None: no bound."""

    low: float | None = None
    high: float | None = None

    def conditions(self, figure: Figure) -> Iterator[ColumnElement[bool]]:
        sql = FIGURES[figure]
        if self.low is not None:
            yield sql.value >= bound_value(figure, self.low)
        if self.high is not None:
            yield sql.value <= bound_value(figure, self.high)


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Conditions that all hold. `name` is a part of the file name, ignoring case; `error_code` is of failed images."""

    outcome: ListedOutcome | None = None
    name: str | None = None
    error_code: str | None = None
    figures: Mapping[Figure, Between] | None = None
    review: ListedReview | None = None

    @property
    def only(self) -> ListedOutcome | None:
        """The only outcome that a matching image may have; None: any."""
        if self.outcome is not None:
            return self.outcome
        if self.review is not None:
            return ListedOutcome.SUCCEEDED
        return ListedOutcome.FAILED if self.error_code is not None else None

    def of_outcome(self) -> list[ColumnElement[bool]]:
        if self.outcome is None:
            return []
        if self.outcome is ListedOutcome.PENDING:
            return [ImageResult.run_id.is_(None)]
        return [ImageResult.outcome == Outcome(self.outcome)]

    @property
    def others(self) -> list[ColumnElement[bool]]:
        """Conditions besides the outcome."""
        return [*self.of_image(), *self.of_result()]

    def of_image(self) -> list[ColumnElement[bool]]:
        return [DatasetImage.file_name.icontains(self.name, autoescape=True)] if self.name else []

    def of_result(self, without: Figure | None = None) -> list[ColumnElement[bool]]:
        """Return the conditions of the result besides its outcome, without the bounds of the figure `without`."""
        found = [] if self.error_code is None else [ImageResult.error_code == self.error_code]
        for figure, between in (self.figures or {}).items():
            bounds = list(between.conditions(figure))
            if bounds and figure is not without:
                found.append(and_(FIGURES[figure].condition, *bounds))
        if self.review is not None:
            found.append(and_(ImageResult.outcome == Outcome.SUCCEEDED, _has_review(self.review)))
        return found

    def bounds(self, figure: Figure) -> list[ColumnElement[bool]]:
        return list((self.figures or {}).get(figure, Between()).conditions(figure))


def _has_review(state: ListedReview) -> ColumnElement[bool]:
    of_image = (ImageReview.run_id == ImageResult.run_id) & (ImageReview.image_id == ImageResult.image_id)
    if state is ListedReview.REJECTED:
        return exists().where(of_image, ImageReview.rejected > 0)
    undecided = ImageReview.masks - ImageReview.accepted - ImageReview.rejected - ImageReview.deleted
    reviewed = exists().where(of_image, undecided == 0)
    return reviewed if state is ListedReview.REVIEWED else ~reviewed


def big(value: int) -> ColumnElement[int]:
    return literal(value, BigInteger)
