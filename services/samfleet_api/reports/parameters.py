"""Query parameters that all reports share."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from samfleet.reports.query import Dimension, ReportInvalid, ReportQuery
from samfleet_api.dependencies import TenantId

MAX_VALUES = 100
DEFAULT_GROUPS = (Dimension.VARIANT, Dimension.HARDWARE)

Texts = Annotated[list[str], Query(max_length=MAX_VALUES, description="Only these; repeat it for several.")]
Ids = Annotated[list[uuid.UUID], Query(max_length=MAX_VALUES, description="Only these ids; repeat it for several.")]
Numbers = Annotated[list[int], Query(max_length=MAX_VALUES, description="Only these classes: 0, 1, 2, 4, 8, …")]
Hour = Annotated[
    AwareDatetime | None,
    Query(description="Of the UTC hours that begin in [since, until).", examples=["2026-11-22T00:00:00Z"]),
]


def read_query(
    tenant_id: TenantId,
    *,
    group_by: Annotated[
        list[Dimension], Query(max_length=len(Dimension), description="What has rows of its own; repeat it.")
    ] = list(DEFAULT_GROUPS),  # noqa: B006 - FastAPI copies defaults
    variant: Texts = [],  # noqa: B006
    hardware: Ids = [],  # noqa: B006
    stage: Texts = [],  # noqa: B006
    batch_size: Numbers = [],  # noqa: B006
    precision: Texts = [],  # noqa: B006
    job: Ids = [],  # noqa: B006
    pool: Texts = [],  # noqa: B006
    dataset: Texts = [],  # noqa: B006
    site: Texts = [],  # noqa: B006
    since: Hour = None,
    until: Hour = None,
    include_warmup: Annotated[bool, Query(description="Count the first executions after a load too.")] = False,
) -> ReportQuery:
    check_range(since, until)
    filters = {
        Dimension.VARIANT: tuple(variant),
        Dimension.HARDWARE: tuple(hardware),
        Dimension.STAGE: tuple(stage),
        Dimension.BATCH_SIZE: tuple(batch_size),
        Dimension.PRECISION: tuple(precision),
        Dimension.JOB: tuple(job),
        Dimension.POOL: tuple(pool),
        Dimension.DATASET: tuple(dataset),
    }
    return ReportQuery(
        tenant_id=tenant_id,
        group_by=tuple(dict.fromkeys(group_by)),
        filters=filters,
        sites=tuple(site),
        since=since,
        until=until,
        include_warmup=include_warmup,
    )


def check_range(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        raise ReportInvalid(f"since {since.isoformat()} is not before until {until.isoformat()}")


ReportQueryValue = Annotated[ReportQuery, Depends(read_query)]
