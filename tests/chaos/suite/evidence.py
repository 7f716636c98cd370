"""Facts about an ended job: its rows in PostgreSQL, and the parts in the object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Job, ReportSeries, Rollup, Run, Shard
from samfleet.db.session import read_only
from samfleet.errors import SamfleetError
from samfleet.jobs.parts import run_prefix
from samfleet.storage.jsonl import read_jsonl_zst
from samfleet.storage.store import ObjectStore
from samfleet.wire.stages import IMAGE


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Counters of a run; `rolled_up` is the number of its images in the rollups."""

    id: uuid.UUID
    variant: str
    state: str
    total: int
    succeeded: int
    failed: int
    masks: int
    rolled_up: int


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """A shard of positions `first` to `last`, inclusive; `token` counts its claims."""

    id: int
    run_id: uuid.UUID
    state: str
    first: int
    last: int
    failed: int
    token: int
    attempts: int
    part: str | None


@dataclass(frozen=True, slots=True)
class RowFacts:
    run_id: uuid.UUID
    image: int
    shard_id: int
    outcome: str
    part: str
    line: int
    masks: int


@dataclass(frozen=True, slots=True)
class LineFacts:
    """One line of a part."""

    image: int
    outcome: str
    masks: int


@dataclass(frozen=True)
class Evidence:
    """Facts of one job. `images` are the ids of the dataset's images in the order of their positions.

    `parts` has the lines of each part that a shard names, or the error of reading it. `stored` are all keys in the
    folders of the runs after a sweep, `unfinished` is the number of interrupted writes that it left.
    """

    state: str
    images: tuple[int, ...]
    runs: tuple[RunFacts, ...]
    shards: tuple[ShardFacts, ...]
    rows: tuple[RowFacts, ...]
    parts: Mapping[str, tuple[LineFacts, ...] | str]
    stored: tuple[str, ...]
    unfinished: int = 0


def collect(engine: Engine, store: ObjectStore, job_id: str) -> Evidence:
    with read_only(engine) as session:
        job = session.get_one(Job, uuid.UUID(job_id))
        of_dataset = select(DatasetImage.id).where(DatasetImage.dataset_id == job.dataset_id)
        images = tuple(session.scalars(of_dataset.order_by(DatasetImage.position)))
        runs = _runs(session, job.id)
        shards, rows = _shards(session, job.id), _rows(session, job.id)
    return Evidence(
        state=job.state.value,
        images=images,
        runs=runs,
        shards=shards,
        rows=rows,
        parts=read_parts(store, {shard.part for shard in shards if shard.part}),
        stored=tuple(found.key for run in runs for found in store.list(run_prefix(run.id))),
        unfinished=store.discard_unfinished(timedelta(0)),
    )


def read_parts(store: ObjectStore, keys: Iterable[str]) -> dict[str, tuple[LineFacts, ...] | str]:
    """Return the lines of each part; a missing or damaged part has the error's text."""
    parts: dict[str, tuple[LineFacts, ...] | str] = {}
    for key in keys:
        try:
            parts[key] = tuple(map(_line, read_jsonl_zst(store, key)))
        except SamfleetError as error:
            parts[key] = error.message
    return parts


def _line(row: Mapping[str, Any]) -> LineFacts:
    return LineFacts(row["dataset_image_id"], row["outcome"], len(row["masks"]))


def _runs(session: Session, job_id: uuid.UUID) -> tuple[RunFacts, ...]:
    rolled_up = (
        select(func.coalesce(func.sum(Rollup.n + Rollup.failures), 0))
        .join(ReportSeries, ReportSeries.id == Rollup.series_id)
        .where(ReportSeries.run_id == Run.id, Rollup.stage == IMAGE)
        .scalar_subquery()
    )
    query = select(Run, rolled_up).where(Run.job_id == job_id).order_by(Run.variant)
    return tuple(
        RunFacts(run.id, run.variant, run.state.value, run.total, run.succeeded, run.failed, run.masks, int(counted))
        for run, counted in session.execute(query)
    )


def _shards(session: Session, job_id: uuid.UUID) -> tuple[ShardFacts, ...]:
    query = select(Shard).join(Run, Run.id == Shard.run_id).where(Run.job_id == job_id)
    return tuple(
        ShardFacts(
            id=shard.id,
            run_id=shard.run_id,
            state=shard.state.value,
            first=shard.first_position,
            last=shard.last_position,
            failed=shard.failed,
            token=shard.token,
            attempts=shard.attempts,
            part=shard.part_key,
        )
        for shard in session.scalars(query.order_by(Shard.run_id, Shard.index))
    )


def _rows(session: Session, job_id: uuid.UUID) -> tuple[RowFacts, ...]:
    columns = (
        ImageResult.run_id,
        ImageResult.dataset_image_id,
        ImageResult.shard_id,
        ImageResult.outcome,
        ImageResult.part_key,
        ImageResult.part_line,
        ImageResult.mask_count,
    )
    query = select(*columns).join(Run, Run.id == ImageResult.run_id).where(Run.job_id == job_id)
    return tuple(
        RowFacts(run_id, image, shard_id, outcome.value, part, line, masks)
        for run_id, image, shard_id, outcome, part, line, masks in session.execute(query)
    )
