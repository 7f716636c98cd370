"""Order of the list of jobs. Each order has an index, so a page reads about as many rows as it returns."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, DateTime, Numeric, Select, String, literal_column, tuple_

from samfleet.db.models import Job, JobState
from samfleet.db.models.jobs import DURATION_KEY, END_KEY, NAME_KEY
from samfleet_api.pagination import CursorInvalid


class JobSort(StrEnum):
    """A column and a direction: `-` puts the largest value first. Equal values are ordered by id."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    NAME = "name"
    NAME_DOWN = "-name"
    STATE = "state"
    STATE_DOWN = "-state"
    SHORTEST = "duration"
    LONGEST = "-duration"
    ENDED_FIRST = "finished_at"
    ENDED_LAST = "-finished_at"

    @property
    def descends(self) -> bool:
        return self.value.startswith("-")

    @property
    def column(self) -> SortColumn:
        return _COLUMNS[self.value.removeprefix("-")]


@dataclass(frozen=True, slots=True)
class SortColumn:
    """The indexed expression, and how its value stands in a cursor."""

    key: ColumnElement[Any]
    write: Callable[[Any], str]
    read: Callable[[str], Any]


class PlacedJob(NamedTuple):
    """A job of a page with its value in the order of the page."""

    job: Job
    key: Any


JobPlace = tuple[Any, uuid.UUID]


def sorted_page(query: Select[Any], sort: JobSort, *, after: JobPlace | None, limit: int) -> Select[Any]:
    """Return the query for a page of (job, key). `after` is the place of the last row of the previous page."""
    key = sort.column.key
    place = tuple_(key, Job.id)
    if after is not None:
        query = query.where(place < after if sort.descends else place > after)
    order = (key.desc(), Job.id.desc()) if sort.descends else (key, Job.id)
    return query.add_columns(key).order_by(*order).limit(limit)


def write_place(sort: JobSort, row: PlacedJob) -> tuple[str, str, str]:
    """Return the parts of the cursor after a row. It names the order, so that it opens no page of another one."""
    return sort.value, sort.column.write(row.key), str(row.job.id)


def read_place(sort: JobSort) -> Callable[[Sequence[str | int]], JobPlace]:
    """Return the inverse of `write_place`. Raises `CursorInvalid` for a cursor of another order."""

    def read(parts: Sequence[str | int]) -> JobPlace:
        of, key, id_ = map(str, parts)
        if of != sort.value:
            raise CursorInvalid(f"the cursor belongs to the order {of[:20]}; start again without it")
        return sort.column.read(key), uuid.UUID(id_)

    return read


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise CursorInvalid
    return moment


def _number(text: str) -> Decimal:
    if not text.removeprefix("-").replace(".", "", 1).isdecimal():
        raise CursorInvalid
    return Decimal(text)


def _text(digits: str) -> str:
    text = bytes.fromhex(digits).decode()
    if "\x00" in text:
        raise CursorInvalid
    return text


def _key(sql: str, type_: Any) -> ColumnElement[Any]:
    # the text of the index: a bound parameter would hide from PostgreSQL that they are equal
    return literal_column(sql, type_)


_COLUMNS: Mapping[str, SortColumn] = {
    "created_at": SortColumn(Job.created_at.expression, datetime.isoformat, _moment),
    "name": SortColumn(_key(NAME_KEY, String()), lambda name: name.encode().hex(), _text),
    "state": SortColumn(Job.state.expression, str, JobState),
    "duration": SortColumn(_key(DURATION_KEY, Numeric()), lambda seconds: f"{seconds:f}", _number),
    "finished_at": SortColumn(_key(END_KEY, DateTime(timezone=True)), datetime.isoformat, _moment),
}
