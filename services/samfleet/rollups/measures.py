"""Measures of an image: its stage times, their sums, and its batch-size class.

Each measure is defined twice: in Python for the rows that a worker records, and in SQL for stored rows.
`tests/integration/rollups` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, case, cast, func, literal
from sqlalchemy.orm import InstrumentedAttribute

from samfleet.db.models import ImageResult, Shard
from samfleet.rollups.sketch import GREATEST_MS, LEAST_MS, LOG_GAMMA
from samfleet.wire.stages import BACKEND_STAGES, IMAGE, MODEL, STAGES

QUEUE = "queue"  # the one stage that is the sum of two columns
COLUMNS = tuple(f"{stage}_ms" for stage in STAGES if stage != QUEUE)
MODEL_COLUMNS = tuple(f"{stage}_ms" for stage in BACKEND_STAGES)
QUEUES = ("queue_shard_ms", "queue_triton_ms")
BATCH_CLASSES = tuple(1 << power for power in range(11))  # 1, 2, 3 to 4, 5 to 8, …
NO_BATCH = 0  # never reached Triton


def _queue_ms() -> ColumnElement[float | None]:
    """Return the waiting time in both queues, ours and Triton's; null only if neither was measured."""
    shard, triton = ImageResult.queue_shard_ms, ImageResult.queue_triton_ms
    both = func.coalesce(shard, 0.0) + func.coalesce(triton, 0.0)
    return case((func.num_nonnulls(shard, triton) > 0, both))


def _column(name: str) -> InstrumentedAttribute[float | None]:
    column: InstrumentedAttribute[float | None] = getattr(ImageResult, name)
    return column


STAGE_SQL: dict[str, ColumnElement[float | None]] = {
    QUEUE: _queue_ms(),
    **{name.removesuffix("_ms"): _column(name).expression for name in COLUMNS},
}


def image_ms_sql() -> ColumnElement[float]:
    return _sum_sql(COLUMNS)


def model_ms_sql() -> ColumnElement[float | None]:
    """Return the time inside Triton; null if the image was never there."""
    times = [_column(name) for name in MODEL_COLUMNS]
    return case((func.num_nonnulls(*times) > 0, _sum_sql(MODEL_COLUMNS)))


def _sum_sql(names: Iterable[str]) -> ColumnElement[float]:
    total: ColumnElement[float] = literal(0.0, Float)
    for name in names:
        total = total + func.coalesce(_column(name), 0.0)
    return total


def measures(row: Mapping[str, Any]) -> dict[str, float]:
    """Return milliseconds by stage; for a stage that ran per batch, the image's share.

    `image` is the sum of all stages except the queue, `model` of those inside Triton.
    """
    known = {name.removesuffix("_ms"): row[name] for name in COLUMNS if row.get(name) is not None}
    queues = [row[name] for name in QUEUES if row.get(name) is not None]
    queued = {QUEUE: sum(queues)} if queues else {}
    inside = [known[stage] for stage in BACKEND_STAGES if stage in known]
    modelled = {MODEL: sum(inside)} if inside else {}
    return {**queued, **known, **modelled, IMAGE: sum((row.get(name) or 0.0 for name in COLUMNS), 0.0)}


def memory_bytes(row: Mapping[str, Any]) -> int | None:
    """Return the peak memory of an image's batch in bytes; None if its device did not state it.

    On a GPU it is what torch reserved, on a CPU the peak resident size of the variant's process in Triton.
    """
    peak: int | None = row["peak_reserved_bytes"] or row["peak_memory_bytes"] or None
    return peak


def memory_bytes_sql() -> ColumnElement[int | None]:
    return func.coalesce(func.nullif(ImageResult.peak_reserved_bytes, 0), func.nullif(ImageResult.peak_memory_bytes, 0))


def batch_class(size: int | None) -> int:
    """Return the smallest power of two that is at least `size`, up to a last class for all larger sizes."""
    if not size:
        return NO_BATCH
    return next((bound for bound in BATCH_CLASSES if size <= bound), 2 * BATCH_CLASSES[-1])


def batch_class_sql() -> ColumnElement[int]:
    size = ImageResult.batch_size
    bounds = [(size <= bound, bound) for bound in BATCH_CLASSES]
    found: ColumnElement[int] = case((func.coalesce(size, 0) == 0, NO_BATCH), *bounds, else_=2 * BATCH_CLASSES[-1])
    return found


def bucket_sql(ms: ColumnElement[float]) -> ColumnElement[int | None]:
    capped = func.least(ms, GREATEST_MS)
    return case((ms >= LEAST_MS, cast(func.ceil(func.ln(capped) / literal(LOG_GAMMA, Float)), Integer)))


def hour_sql() -> ColumnElement[Any]:
    return func.date_trunc("hour", ImageResult.created_at, "UTC")


def claimed_sql() -> ColumnElement[Any]:
    """Return the start of work on a result: the claim of its shard.

    It is never after the result, so a clock that was set back gives no negative duration.
    """
    return func.least(func.coalesce(ImageResult.claimed_at, Shard.claimed_at), ImageResult.created_at)
