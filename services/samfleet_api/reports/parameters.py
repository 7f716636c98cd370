"""Query parameters of all reports."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Query

from samfleet.reports.known_variants import require_known_variants
from samfleet.reports.query import UNDIVIDED, Dimension, ReportInvalid, ReportQuery
from samfleet.rollups.measures import BATCH_CLASSES, NO_BATCH
from samfleet.wire.stages import Stage
from samfleet_api.dependencies import EngineValue, TenantId
from samfleet_api.schemas import Moment, StorableText
from samfleet_api.short_ids import IdText, whole_job_id

MAX_VALUES = 100
DEFAULT_GROUPS = (Dimension.VARIANT, Dimension.HARDWARE)

Texts = Annotated[
    list[StorableText], Query(max_length=MAX_VALUES, description="Only these values; repeat the parameter for several.")
]
Ids = Annotated[
    list[uuid.UUID], Query(max_length=MAX_VALUES, description="Only these ids; repeat the parameter for several.")
]
JobIds = Annotated[
    list[IdText],
    Query(max_length=MAX_VALUES, description="Only these jobs, by id as in paths; repeat the parameter for several."),
]
Stages = Annotated[
    list[Literal[Stage, "model", "image"]],
    Query(
        max_length=MAX_VALUES, description="Only these stages (latency and compare); repeat the parameter for several."
    ),
]
Classes = Annotated[
    list[int], Query(max_length=MAX_VALUES, description="Only these classes (latency and compare): 0, 1, 2, 4, 8, …")
]
Hour = Annotated[
    Moment | None,
    Query(description="Only UTC hours that begin in [since, until).", examples=["2026-11-22T00:00:00Z"]),
]


def read_query(
    tenant_id: TenantId,
    engine: EngineValue,
    *,
    group_by: Annotated[
        list[Dimension],
        Query(max_length=len(Dimension), description="Group rows by this; repeat the parameter for several."),
    ] = list(DEFAULT_GROUPS),  # noqa: B006 - FastAPI copies defaults
    variant: Texts = [],  # noqa: B006
    hardware: Ids = [],  # noqa: B006
    stage: Stages = [],  # noqa: B006
    batch_size: Classes = [],  # noqa: B006
    precision: Texts = [],  # noqa: B006
    job: JobIds = [],  # noqa: B006
    pool: Texts = [],  # noqa: B006
    dataset: Texts = [],  # noqa: B006
    site: Texts = [],  # noqa: B006
    since: Hour = None,
    until: Hour = None,
    include_warmup: Annotated[bool, Query(description="Include the first executions after a load.")] = False,
) -> ReportQuery:
    check_range(since, until)
    _check_classes(batch_size)
    require_known_variants(engine, tenant_id, variant)
    filters = {
        Dimension.VARIANT: tuple(variant),
        Dimension.HARDWARE: tuple(hardware),
        Dimension.STAGE: tuple(stage),
        Dimension.BATCH_SIZE: tuple(batch_size),
        Dimension.PRECISION: tuple(precision),
        Dimension.JOB: tuple(whole_job_id(engine, tenant_id, one) for one in job),
        Dimension.POOL: tuple(pool),
        Dimension.DATASET: tuple(dataset),
    }
    groups = tuple(dict.fromkeys(group_by))
    return ReportQuery(tenant_id, groups, filters, tuple(site), since, until, include_warmup)


def check_range(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        raise ReportInvalid(f"since {since.isoformat()} is not before until {until.isoformat()}")


def _check_classes(sizes: Sequence[int]) -> None:
    """Reject numbers that are not a class of batch sizes: they would select nothing."""
    for size in sizes:
        if size not in {NO_BATCH, *BATCH_CLASSES, 2 * BATCH_CLASSES[-1]}:
            raise ReportInvalid(
                f"{size} is not a class of batch sizes; classes are {NO_BATCH} and the powers of two up to 2048"
            )


def whole_query(query: Annotated[ReportQuery, Depends(read_query)]) -> ReportQuery:
    """Query of a report that is not divided by stage or batch size; filters and groups of these are rejected."""
    if given := [one.value for one in UNDIVIDED if one in query.group_by or query.filters.get(one)]:
        names = " and ".join(given)
        raise ReportInvalid(f"this report covers whole images; omit {names}, or use the latency report")
    return query


WholeQueryValue = Annotated[ReportQuery, Depends(whole_query)]
ReportQueryValue = Annotated[ReportQuery, Depends(read_query)]
