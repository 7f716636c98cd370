"""The images before and after one of a run, under the filters of the run's list."""

from __future__ import annotations

from typing import TypeAlias

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Select, literal, select
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Job, Outcome
from samfleet.db.models import Run as RunRow
from samfleet.jobs.export import RunNotFound
from samfleet_api.dependencies import ReadSessionValue, TenantId
from samfleet_api.problems import problems
from samfleet_api.runs.endpoints import ImageId
from samfleet_api.runs.image_figures import FIGURES, ImageFilter, ImageOrder
from samfleet_api.runs.image_listing import SEARCHED_AT_ONCE, Place, page_of_images
from samfleet_api.runs.image_parameters import (
    ImageBoundsInvalid,
    ImageFilterValue,
    ImageSortImpossible,
    Sort,
    require_sortable,
)
from samfleet_api.runs.views import ImageResultNotFound, require_run
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])
FIRST_SEARCH = 64  # positions; most neighbours are next door
GROWTH = 8
Matching: TypeAlias = "Select[int | None, str, Outcome]"


class Neighbour(BaseModel):
    image_id: int
    file_name: str
    outcome: Outcome


class Neighbours(BaseModel):
    """Place of an image in its run, and the recorded images before and after it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image_id": 139,
                    "position": 0,
                    "total": 500,
                    "previous": None,
                    "next": {"image_id": 285, "file_name": "000000000285.jpg", "outcome": "succeeded"},
                }
            ]
        }
    )

    image_id: int
    position: int = Field(description="Place in the dataset, from 0, whatever the filters.")
    total: int = Field(description="Number of images of the run, whatever the filters.")
    previous: Neighbour | None = Field(description="Null if no earlier image of the order matches.")
    next: Neighbour | None = Field(description="Null if no later image of the order matches.")


@router.get(
    "/{run_id}/images/{image_id}/neighbours",
    summary="Find the images before and after one",
    operation_id="run_read_neighbours",
    responses=problems(RunNotFound, ImageResultNotFound, ImageBoundsInvalid, ImageSortImpossible),
)
def read_neighbours(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    wanted: ImageFilterValue,
    sort: Sort = ImageOrder.POSITION,
) -> Neighbours:
    """Return the recorded images next to this one in a list of the run's images, passing over those that do not match.

    An image without the figure of the order has no neighbours in it.
    """
    run = require_run(session, tenant_id, run_id)
    require_sortable(wanted, sort, 0)
    position = _position(session, run, image_id)
    if sort.figure is None:
        matching = _matching(run, wanted)
        previous, following = (_nearest(session, matching, position, way, run.total) for way in (-1, 1))
    else:
        place = _place(session, run, image_id, sort)
        previous, following = (
            _nearest_by_figure(session, run, wanted, order, place) for order in (_opposite(sort), sort)
        )
    return Neighbours(image_id=image_id, position=position, total=run.total, previous=previous, next=following)


def _position(session: Session, run: RunRow, image_id: int) -> int:
    of_run = select(Job.dataset_id).where(Job.id == run.job_id).scalar_subquery()
    query = select(DatasetImage.position).where(DatasetImage.dataset_id == of_run, DatasetImage.image_id == image_id)
    position = session.scalar(query)
    if position is None:
        raise ImageResultNotFound(f"the dataset of run {run.id} has no image {image_id}; GET …/images lists its images")
    return position


def _matching(run: RunRow, wanted: ImageFilter) -> Matching:
    """Select the run's recorded images that match, without an order."""
    of_run = select(Job.dataset_id).where(Job.id == run.job_id).scalar_subquery()
    return (
        select(DatasetImage.image_id, DatasetImage.file_name, ImageResult.outcome)
        .join(ImageResult, (ImageResult.dataset_image_id == DatasetImage.id) & (ImageResult.run_id == run.id))
        .where(DatasetImage.dataset_id == of_run, *wanted.of_outcome(), *wanted.others)
    )


def _nearest(session: Session, matching: Matching, position: int, way: int, total: int) -> Neighbour | None:
    """Return the nearest match after (`way` 1) or before (-1) a position, searching more positions each time."""
    size, start = FIRST_SEARCH, position + way
    column = DatasetImage.position
    while 0 <= start < total:
        end = start + way * (size - 1)
        low, high = literal(min(start, end), BigInteger), literal(max(start, end), BigInteger)
        query = matching.where(column >= low, column <= high).order_by(column if way > 0 else column.desc()).limit(1)
        if row := session.execute(query).one_or_none():
            return Neighbour(image_id=row.image_id, file_name=row.file_name, outcome=row.outcome)
        start, size = end + way, min(size * GROWTH, SEARCHED_AT_ONCE)
    return None


def _opposite(order: ImageOrder) -> ImageOrder:
    return ImageOrder(order.removeprefix("-") if order.descending else f"-{order}")


def _place(session: Session, run: RunRow, image_id: int, order: ImageOrder) -> Place | None:
    """Return the place of an image in an order by a figure, None if it has no figure."""
    if order.figure is None:
        raise ValueError(order)
    sql = FIGURES[order.figure]
    query = select(sql.value, ImageResult.dataset_image_id).where(
        ImageResult.run_id == run.id, ImageResult.image_id == image_id, sql.condition
    )
    row = session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def _nearest_by_figure(
    session: Session, run: RunRow, wanted: ImageFilter, order: ImageOrder, place: Place | None
) -> Neighbour | None:
    """Return the first match after a place in an order by a figure."""
    while place is not None:
        found, place = page_of_images(session, run, wanted, order=order, after=place, limit=1)
        for image in found:
            if image.outcome is not None:
                return Neighbour(image_id=image.image_id, file_name=image.file_name, outcome=image.outcome)
    return None
