"""Peak memory of measurements, from the image results of runs that this database still has.

Rollups have no memory, so it is unknown for deleted jobs and for other sites. On a GPU it is what torch reserved, on a
CPU the peak resident size of the variant's process in Triton.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, func, tuple_
from sqlalchemy.orm import Session

from samfleet.advice.figures import Figure
from samfleet.advice.measurements import Measurement
from samfleet.db.models import ImageResult, ReportSeries
from samfleet.reports.query import ReportQuery

Key = tuple[Any, ...]


def key_of(one: Measurement) -> Key:
    """Return what identifies the image results of a measurement."""
    return (one.variant, one.hardware_id, one.pool, one.code_version, one.parameters)


def read_memory(
    session: Session, query: ReportQuery, dataset: str, wanted: Collection[Measurement]
) -> dict[Key, Figure]:
    """Return the peak memory of the wanted measurements, warm-up included, by `key_of`."""
    keys = (
        ReportSeries.variant,
        ReportSeries.hardware_id,
        ReportSeries.pool,
        ReportSeries.code_version,
        ReportSeries.parameters_sha256,
    )
    peak = func.coalesce(ImageResult.peak_reserved_bytes, func.nullif(ImageResult.peak_memory_bytes, 0))
    same_run = and_(ImageResult.run_id == ReportSeries.run_id, ImageResult.hardware_id == ReportSeries.hardware_id)
    same_weights = ReportSeries.parameters["checkpoint_sha256"].astext == ImageResult.checkpoint_sha256
    statement = (
        query.select_series(*keys, func.max(peak), func.count(peak))
        .join(ImageResult, and_(same_run, same_weights))
        .where(ReportSeries.dataset == dataset, tuple_(*keys).in_([key_of(one) for one in wanted]))
        .group_by(*keys)
    )
    return {
        tuple(row[:-2]): Figure("memory", int(row[-2]), "measured here", int(row[-1]))
        for row in session.execute(statement)
        if row[-2]
    }
