"""Parameters with which lists of jobs and datasets are searched."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from samfleet.db.search import Search
from samfleet.labels import parse_label
from samfleet_api.schemas import StorableText


def _search(
    q: Annotated[
        StorableText | None,
        Query(max_length=200, description="Only those whose name or notes contain this text, ignoring case."),
    ] = None,
    label: Annotated[
        list[StorableText] | None,
        Query(
            max_length=10,
            description="Only those with this label, `key:value`; repeat it for several, which must all be there.",
            examples=[["team:shelves"]],
        ),
    ] = None,
) -> Search:
    return Search(q, [parse_label(one, ":") for one in label or ()])


SearchValue = Annotated[Search, Depends(_search)]
