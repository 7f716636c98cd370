"""Pages of a run's images, found by indexes: a page reads a bounded number of rows, however large the run is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, func, literal, select, true, tuple_
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Job, Outcome, Run, Shard
from samfleet_api.runs.image_figures import (
    FIGURES,
    Figure,
    ImageFilter,
    ImageOrder,
    ListedOutcome,
    big,
    bound_value,
)

SEARCHED_AT_ONCE = 50_000  # images that one request looks at, which takes some 50 to 100 ms
Place = tuple[int] | tuple[float, int]  # of the last image seen: its position, or its figure and its row's id

_SIZE = Shard.last_position - Shard.first_position + 1
# Condition of the shards with images of an outcome, and their number. A shard that is retried keeps its results.
OF_SHARDS: Mapping[ListedOutcome, tuple[ColumnElement[bool], ColumnElement[int]]] = {
    ListedOutcome.SUCCEEDED: (Shard.part_key.is_not(None) & (Shard.failed < _SIZE), _SIZE - Shard.failed),
    ListedOutcome.FAILED: (Shard.failed > 0, Shard.failed.expression),
    ListedOutcome.PENDING: (Shard.part_key.is_(None), _SIZE),
}


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image of a run's dataset with its result, if one is recorded."""

    dataset_image_id: int
    position: int
    image_id: int
    file_name: str
    outcome: Outcome | None
    mask_count: int | None
    error_code: str | None
    image_ms: float | None
    predicted_iou: float | None
    iou: float | None

    def place(self, figure: Figure | None) -> Place:
        if figure is None:
            return (self.position,)
        value: float = getattr(self, figure)  # images without the figure are not in the list
        return value, self.dataset_image_id


_OF_IMAGE = (DatasetImage.id, DatasetImage.position, DatasetImage.image_id, DatasetImage.file_name)
_OF_RESULT = (
    ImageResult.outcome,
    ImageResult.mask_count,
    ImageResult.error_code,
    *(FIGURES[one].or_null.label(one) for one in (Figure.IMAGE_MS, Figure.PREDICTED_IOU, Figure.IOU)),
)


def page_of_images(
    session: Session, run: Run, wanted: ImageFilter, *, order: ImageOrder, after: Place | None, limit: int
) -> tuple[Sequence[ListedImage], Place | None]:
    """Return at most `limit` images, and the `after` of the next page; None at the end.

    An order by a figure lists only the images that have it. A condition that no index of the order knows is looked up
    in the next `SEARCHED_AT_ONCE` images of the order, so a page may have fewer images than there are, even none.
    """
    if (figure := order.figure) is not None:
        return _page_by_figure(session, run, wanted, figure, order, after, limit)
    seen = -1 if after is None else int(after[0])
    if wanted.others:
        return _page_of_search(session, run, wanted, seen, limit)
    return _page_by_position(session, run, wanted, seen, limit)


def _page_by_position(
    session: Session, run: Run, wanted: ImageFilter, seen: int, limit: int
) -> tuple[Sequence[ListedImage], Place | None]:
    """Return a page without conditions but the outcome. The shards say where its images are: the first may stand after
    millions of others.
    """
    query = _with_results(run).where(DatasetImage.position > big(seen), *wanted.of_outcome())
    if wanted.outcome is not None and run.started_at is not None:  # else shards may be missing
        positions = _positions(session, run, wanted.outcome, seen, limit + 1)
        query = query.where(DatasetImage.position == any_(literal(positions, ARRAY(BigInteger))))
    elif wanted.outcome is None:  # the planner does not know that positions have no gaps, and reads all results
        query = query.where(DatasetImage.position <= big(seen + limit + 1))
    return _cut(session, query.order_by(DatasetImage.position), None, limit, None)


def _page_of_search(
    session: Session, run: Run, wanted: ImageFilter, seen: int, limit: int
) -> tuple[Sequence[ListedImage], Place | None]:
    """Return a page with conditions, of the next `SEARCHED_AT_ONCE` positions. Those before the first shard with the
    outcome are skipped.
    """
    if wanted.only is not None and run.started_at is not None:
        first = _first_position(session, run, wanted.only, seen)
        if first is None:
            return [], None
        seen = first - 1
    last = min(run.total - 1, seen + SEARCHED_AT_ONCE)
    window = DatasetImage.position > big(seen), DatasetImage.position <= big(last)
    query = _with_results(run, _ids(session, run, window)).where(*window, *wanted.of_outcome(), *wanted.others)
    return _cut(session, query.order_by(DatasetImage.position), None, limit, (last,) if last < run.total - 1 else None)


def _page_by_figure(
    session: Session,
    run: Run,
    wanted: ImageFilter,
    figure: Figure,
    order: ImageOrder,
    after: Place | None,
    limit: int,
) -> tuple[Sequence[ListedImage], Place | None]:
    """Return a page in the order of an index of results."""
    sql, row = FIGURES[figure], ImageResult.dataset_image_id
    key = tuple_(sql.value, row)
    sorting = (sql.value.desc(), row.desc()) if order.descending else (sql.value, row)
    of_index = [ImageResult.run_id == run.id, sql.condition, *wanted.bounds(figure)]
    if after is not None:
        seen = _key(figure, after)
        of_index.append(key < seen if order.descending else key > seen)
    of_outcome = [] if wanted.outcome is ListedOutcome.SUCCEEDED else wanted.of_outcome()  # others have no figures
    of_result = [*of_outcome, *wanted.of_result(without=figure)]
    last: Place | None = None
    if of_result or wanted.of_image():
        bound = select(sql.value, row).where(*of_index).order_by(*sorting).offset(SEARCHED_AT_ONCE - 1).limit(1)
        if (found := session.execute(bound).one_or_none()) is not None:
            last = (found[0], found[1])
            of_index.append(key >= _key(figure, last) if order.descending else key <= _key(figure, last))
    of_index += of_result
    # the limit keeps the planner from reading all images of the dataset: each is looked up by its id
    image = select(*_OF_IMAGE).where(DatasetImage.id == row, *wanted.of_image()).limit(1).lateral("image")
    query = select(*image.c, *_OF_RESULT).select_from(ImageResult).join(image, true()).where(*of_index)
    return _cut(session, query.order_by(*sorting), figure, limit, last)


def _key(figure: Figure, place: Place) -> ColumnElement[Any]:
    value, row = place  # type: ignore[misc]  # of an order by a figure
    return tuple_(bound_value(figure, value), big(row))


def _cut(
    session: Session, query: Select[Any], figure: Figure | None, limit: int, last: Place | None
) -> tuple[Sequence[ListedImage], Place | None]:
    """Execute the query. `last` is the place up to which it looked, None if that is the end."""
    rows = [ListedImage(*row) for row in session.execute(query.limit(limit + 1))]
    return (rows[:limit], rows[limit - 1].place(figure)) if len(rows) > limit else (rows, last)


def _with_results(run: Run, ids: tuple[int, int] | None = None) -> Select[Any]:
    """Select the images of the run's dataset with their results, if recorded. `ids` bounds the ids of the images."""
    of_run = (ImageResult.run_id == run.id) & (ImageResult.dataset_image_id == DatasetImage.id)
    if ids is not None:
        of_run &= ImageResult.dataset_image_id.between(big(ids[0]), big(ids[1]))
    images = (
        select(*_OF_IMAGE, *_OF_RESULT).select_from(DatasetImage).join(Job, Job.dataset_id == DatasetImage.dataset_id)
    )
    return images.outerjoin(ImageResult, of_run).where(Job.id == run.job_id)


def _ids(session: Session, run: Run, window: Sequence[ColumnElement[bool]]) -> tuple[int, int] | None:
    """Return the least and greatest id of the images in a window. Ids mostly follow the positions, so that results
    of the window are a range of their primary key; without that, the planner reads all results of the run.
    """
    of_run = select(Job.dataset_id).where(Job.id == run.job_id).scalar_subquery()
    # the limit keeps the planner from walking along the ids of all datasets until it finds the least
    inside = select(DatasetImage.id).where(DatasetImage.dataset_id == of_run, *window).limit(SEARCHED_AT_ONCE)
    ids = inside.subquery().c.id
    query = select(func.min(ids), func.max(ids))
    least, greatest = session.execute(query).one()
    return None if least is None else (least, greatest)


def _first_position(session: Session, run: Run, outcome: ListedOutcome, seen: int) -> int | None:
    """Return the first position above `seen` in a shard that has images of the outcome; None if there is none."""
    has, _ = OF_SHARDS[outcome]
    query = select(Shard.first_position).where(Shard.run_id == run.id, has, Shard.last_position > big(seen))
    first = session.scalars(query.order_by(Shard.index).limit(1)).one_or_none()
    return None if first is None else max(first, seen + 1)


def _positions(session: Session, run: Run, outcome: ListedOutcome, after: int, limit: int) -> list[int]:
    """Return positions above `after`, among which are the first `limit` images with this outcome.

    They are those of whole shards, whose counts tell how many of the images have it.
    """
    has, count = OF_SHARDS[outcome]
    query = (
        select(Shard.first_position, Shard.last_position, count.label("images"))
        .where(Shard.run_id == run.id, has, Shard.last_position > big(after))
        .order_by(Shard.index)
        .limit(limit + 1)
    )
    positions: list[int] = []
    found = 0
    for shard in session.execute(query):
        positions.extend(range(max(shard.first_position, after + 1), shard.last_position + 1))
        found += shard.images if shard.first_position > after else 0
        if found >= limit:
            break
    return positions


def place_of(parts: Sequence[str | int], order: ImageOrder) -> Place:
    """Return the place in a cursor of `cursor_parts`. Raises ValueError, TypeError or IndexError for another list's."""
    figure = order.figure
    if figure is None:
        (position,) = parts
        if not isinstance(position, int):
            raise TypeError(position)
        return (position,)
    name, value, row = parts
    if name != order.value or not isinstance(row, int):
        raise ValueError(name)
    if figure is Figure.MASK_COUNT:
        return int(value), row
    number = float(value)
    if not abs(number) < float("inf"):
        raise ValueError(value)
    return number, row


def cursor_parts(place: Place, order: ImageOrder) -> tuple[str | int, ...]:
    if order.figure is None:
        return (int(place[0]),)
    value, row = place  # type: ignore[misc]  # of an order by a figure
    return order.value, repr(value), row
