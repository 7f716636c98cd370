"""Peak memory of measurements, from rollups, so also of deleted jobs and of other sites.

On a GPU it is what torch reserved, on a CPU the peak resident size of the variant's process in Triton.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import func, tuple_
from sqlalchemy.orm import Session

from samfleet.advice.figures import Figure
from samfleet.advice.measurements import Measurement, evidence_of
from samfleet.db.models import ReportSeries, Rollup
from samfleet.reports.query import ReportQuery
from samfleet.wire.stages import IMAGE

Key = tuple[Any, ...]


def key_of(one: Measurement) -> Key:
    """Return what identifies the rollups of a measurement."""
    return (one.variant, one.hardware_id, one.pool, one.site, one.code_version, one.parameters)


def read_memory(
    session: Session, query: ReportQuery, dataset: str, wanted: Collection[Measurement]
) -> dict[Key, Figure]:
    """Return the peak memory of the wanted measurements, warm-up included, by `key_of`.

    Measurements that were recorded before rollups had memory are left out.
    """
    keys = (
        ReportSeries.variant,
        ReportSeries.hardware_id,
        ReportSeries.pool,
        ReportSeries.site,
        ReportSeries.code_version,
        ReportSeries.parameters_sha256,
    )
    statement = (
        replace(query, include_warmup=True)
        .select(*keys, func.max(Rollup.peak_memory_bytes), func.sum(Rollup.memory_images))
        .where(ReportSeries.dataset == dataset, tuple_(*keys).in_([key_of(one) for one in wanted]))
        .where(Rollup.stage == IMAGE)
        .group_by(*keys)
    )
    sites = {key_of(one): evidence_of(one.site) for one in wanted}
    found = {}
    for row in session.execute(statement):
        key, peak, images = tuple(row[:-2]), row[-2], row[-1]
        if peak is not None:
            evidence, where = sites[key]
            found[key] = Figure("memory", int(peak), evidence, int(images), where=where)
    return found
