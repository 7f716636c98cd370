"""Filter of jobs: the query parameters of a list, or the same fields in the body of a bulk action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import ColumnElement

from samfleet.db.models import Job, JobState
from samfleet.db.search import EVERYTHING, Search
from samfleet_api.schemas import StorableText
from samfleet_api.searching import SearchValue


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Conditions that all hold: one of the `states`, if there are any; `name` is a part of the job's name."""

    states: Sequence[JobState] = ()
    name: str | None = None
    search: Search = EVERYTHING

    def conditions(self) -> list[ColumnElement[bool]]:
        found = self.search.conditions(Job)
        if self.states:
            found.append(Job.state.in_(self.states) if len(self.states) > 1 else Job.state == self.states[0])
        if self.name:
            found.append(Job.name.icontains(self.name, autoescape=True))
        return found


EVERY_JOB = JobFilter()


def _filter(
    search: SearchValue,
    state: Annotated[
        list[JobState] | None,
        Query(max_length=len(JobState), description="Only jobs in this state; repeat it for several."),
    ] = None,
    name: Annotated[
        StorableText | None,
        Query(max_length=200, description="Only jobs whose name contains this text, ignoring case."),
    ] = None,
) -> JobFilter:
    return JobFilter(state or (), name, search)


JobFilterValue = Annotated[JobFilter, Depends(_filter)]
