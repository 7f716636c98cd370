"""Search in lists of jobs and datasets, by text and by labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_

from samfleet.db.models import Dataset, Job


@dataclass(frozen=True, slots=True)
class Search:
    """Conditions that all hold: `text` is a part of the name or the notes, ignoring case; `labels` are (key, value).

    Labels have an index. A text has none, because the embedded PostgreSQL lacks pg_trgm: the rows of the tenant are
    read in the order of the list, until a page is full.
    """

    text: str | None = None
    labels: Sequence[tuple[str, str]] = ()

    def conditions(self, table: type[Job | Dataset]) -> list[ColumnElement[bool]]:
        labelled = [table.labels.contains({key: value}) for key, value in self.labels]
        if not self.text:
            return labelled
        parts = [column.icontains(self.text, autoescape=True) for column in (table.name, table.notes)]
        return [or_(*parts), *labelled]


EVERYTHING = Search()
