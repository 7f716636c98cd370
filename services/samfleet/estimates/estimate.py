"""Estimate of a job: time, cost and size of each of its runs, and of all."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy.orm import Session

from samfleet.estimates.database_bytes import database_bytes
from samfleet.estimates.figures import Figure, Sample, figure_of, sum_of, unknown
from samfleet.estimates.history import EarlierRun, Price, earlier_runs, names_of, prices_of
from samfleet.jobs.submit import CheckedJob

MS_PER_HOUR = 3_600_000
FEW = 10  # a job of so many times the images of the earlier runs is scaled from few


@dataclass(frozen=True, slots=True)
class Expected:
    """Figures of a run or a job. `currency` is None if the cost is unknown."""

    images: int
    seconds: Figure
    cost: Figure
    currency: str | None
    database_bytes: Figure
    object_bytes: Figure


@dataclass(frozen=True, slots=True)
class RunEstimate:
    variant: str
    pool: str
    task: Mapping[str, Any]
    expected: Expected


@dataclass(frozen=True, slots=True)
class Estimate:
    """Runs of one pool take turns, and pools work at the same time: the job lasts as long as its slowest pool."""

    runs: Sequence[RunEstimate]
    total: Expected
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """Facts that all runs of the job share."""

    earlier: Sequence[EarlierRun]
    prices: Mapping[uuid.UUID, Price]
    machines: Mapping[uuid.UUID, str]
    row_bytes: Figure


def estimate_job(session: Session, tenant_id: uuid.UUID, job: CheckedJob) -> Estimate:
    """Estimate a checked job from the tenant's earlier runs of the same variants with the same tasks."""
    tasks = {record.name: job.task.resolve(record) for record in job.records}
    earlier = earlier_runs(session, tenant_id, tasks)
    machines = names_of(session, {one for run in earlier for one in run.device_ms})
    known = _Known(earlier, prices_of(session, tenant_id), machines, database_bytes(session))
    images = job.dataset.image_count
    runs = [
        RunEstimate(record.name, pool, tasks[record.name], _expected(known, record.name, pool, images))
        for record, pool in product(job.records, job.pools)
    ]
    return Estimate(runs, _total(runs), _notes(job, runs))


def _expected(known: _Known, variant: str, pool: str, images: int) -> Expected:
    same = [run for run in known.earlier if run.variant == variant]
    here = [run for run in same if run.pool == pool and run.images and run.seconds]
    cost, currency = _cost(known, here, variant, pool)
    return Expected(
        images,
        _seconds(here, variant, pool).times(images),
        cost.times(images),
        currency,
        known.row_bytes.times(images),
        _object_bytes(same, variant).times(images),
    )


def _seconds(here: Sequence[EarlierRun], variant: str, pool: str) -> Figure:
    samples = [Sample(run.seconds / run.images, run.images) for run in here]
    if not samples:
        return unknown(f"not measured yet: no run of {variant} with this task on pool {pool}")
    return figure_of(samples, _source(samples, f"with this task on pool {pool}"))


def _cost(known: _Known, here: Sequence[EarlierRun], variant: str, pool: str) -> tuple[Figure, str | None]:
    """Return the cost of an image in the currency of the newest run with prices for all its hardware."""
    samples: list[Sample] = []
    currency: str | None = None
    unpriced: set[str] = set()
    for run in here:
        if missing := [one for one in run.device_ms if one not in known.prices]:
            unpriced.update(known.machines.get(one, str(one)) for one in missing)
            continue
        prices = {one: known.prices[one] for one in run.device_ms}
        currencies = {price.currency for price in prices.values()}
        if len(currencies) != 1:
            continue
        currency = currency or min(currencies)
        if currencies == {currency}:
            spent = sum(run.device_ms[one] / MS_PER_HOUR * price.per_hour for one, price in prices.items())
            samples.append(Sample(spent / run.images, run.images))
    if samples:
        return figure_of(samples, _source(samples, "at the prices of their hardware")), currency
    if unpriced:
        return unknown(f"no price is set for {', '.join(sorted(unpriced))}"), None
    if here:
        return unknown(f"the hardware of pool {pool} has prices in several currencies"), None
    return unknown(f"not measured yet: no run of {variant} with this task on pool {pool}"), None


def _object_bytes(same: Sequence[EarlierRun], variant: str) -> Figure:
    samples = [
        Sample(run.part_bytes / run.recorded, run.recorded)
        for run in same
        if run.part_bytes is not None and run.recorded
    ]
    if not samples:
        return unknown(f"not measured yet: no results of {variant} with this task are kept")
    return figure_of(samples, _source(samples, "with this task, on any pool"))


def _source(samples: Sequence[Sample], which: str) -> str:
    images = sum(sample.images for sample in samples)
    runs = "1 earlier run" if len(samples) == 1 else f"{len(samples)} earlier runs"
    return f"{runs} {which}, {images:,} image{'' if images == 1 else 's'}"


def _total(runs: Sequence[RunEstimate]) -> Expected:
    every = [run.expected for run in runs]
    by_pool: dict[str, list[Figure]] = defaultdict(list)
    for run in runs:
        by_pool[run.pool].append(run.expected.seconds)
    currencies = {one.currency for one in every}
    cost, currency = sum_of([one.cost for one in every], "the cost"), every[0].currency
    if cost.value is not None and len(currencies) > 1:
        cost, currency = unknown(f"the runs' costs are in {', '.join(sorted(map(str, currencies)))}"), None
    return Expected(
        sum(one.images for one in every),
        _slowest([sum_of(figures, "the time") for figures in by_pool.values()]),
        cost,
        currency if cost.value is not None else None,
        sum_of([one.database_bytes for one in every], "the size"),
        sum_of([one.object_bytes for one in every], "the size"),
    )


def _slowest(pools: Sequence[Figure]) -> Figure:
    """Return the time of the slowest pool, or an unknown one."""
    if missing := next((figure for figure in pools if figure.value is None), None):
        return missing
    slowest = max(pools, key=lambda figure: figure.value or 0.0)
    bounds = [(figure.low, figure.high) for figure in pools]
    if any(low is None or high is None for low, high in bounds):
        low = high = None
    else:
        low, high = (max(one or 0.0 for one in side) for side in zip(*bounds, strict=True))
    source = "slowest pool" if len(pools) > 1 else "runs of the pool, one after another"
    return Figure(slowest.value, "measured", source, low, high, slowest.runs, slowest.images)


def _notes(job: CheckedJob, runs: Sequence[RunEstimate]) -> tuple[str, ...]:
    notes = []
    if any(run.expected.seconds.value is not None for run in runs):
        notes.append("times assume that no other job shares the pools, and images like those of the earlier runs")
    few = [run for run in runs if 0 < run.expected.seconds.images * FEW < run.expected.images]
    if few:
        names = ", ".join(f"{run.variant} on {run.pool}" for run in few)
        notes.append(f"the time of {names} is scaled from less than a tenth of the images")
    if job.request.reuse_results:
        notes.append("results that are taken over are not subtracted")
    if job.request.exports:
        notes.append("exports are not included in the sizes")
    return tuple(notes)
