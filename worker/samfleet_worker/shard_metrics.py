"""Metrics of shards and images in the worker; `samfleet.metrics` declares them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from samfleet import metrics
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.clean import Cleaned
from samfleet.jobs.outcomes import ImageOutcome
from samfleet.jobs.sweep import Swept
from samfleet.tracing import span
from samfleet.wire.stages import BACKEND_STAGES, STAGES, Stage

ShardOutcome = Literal["recorded", "lost", "handed_back", "waited_for_room", "released", "run_failed", "crashed"]


@dataclass(slots=True)
class WatchedShard:
    """A shard in progress.

    `outcome` is set by the code that ends the shard; it stays "crashed" if an exception ends it.
    """

    outcome: ShardOutcome = "crashed"


@contextmanager
def watched_shard(claimed: ClaimedShard) -> Iterator[WatchedShard]:
    labels = (claimed.variant, claimed.pool)
    started = time.perf_counter()
    with (
        metrics.SHARDS_IN_PROGRESS.labels(*labels).track_inprogress(),
        span(
            "shard",
            samfleet__job_id=str(claimed.job_id),
            samfleet__run_id=str(claimed.run_id),
            samfleet__shard_id=claimed.shard_id,
            samfleet__variant=claimed.variant,
            samfleet__pool=claimed.pool,
            samfleet__images=len(claimed.images),
        ) as traced,
    ):
        watched = WatchedShard()
        try:
            yield watched
        finally:
            traced.set(samfleet__outcome=watched.outcome)
            metrics.SHARDS.labels(*labels, watched.outcome).observe(time.perf_counter() - started)
            if watched.outcome == "lost":
                metrics.LEASES_LOST.labels(claimed.pool).inc()


def count_recorded(claimed: ClaimedShard, outcomes: Sequence[ImageOutcome], store_ms: float) -> None:
    """Count recorded images, after the commit that recorded them, so that each is counted once, like its row."""
    labels = (claimed.variant, claimed.pool)
    stages = {stage: metrics.STAGES.labels(*labels, stage) for stage in STAGES}  # found once, not for each image
    for outcome in outcomes:
        if outcome.error is not None:
            metrics.IMAGE_FAILURES.labels(outcome.error.code).inc()
        for stage, milliseconds in _stage_times(outcome, store_ms):
            stages[stage].observe(milliseconds / 1e3)
    for kind, images in Counter(outcome.outcome for outcome in outcomes).items():
        metrics.IMAGES.labels(*labels, kind.value).inc(images)
    metrics.MASKS.labels(*labels).inc(sum(len(outcome.masks) for outcome in outcomes))


def count_swept(swept: Swept) -> None:
    for action in swept.__slots__:
        metrics.SWEPT.labels(action).inc(getattr(swept, action))


def count_cleaned(cleaned: Cleaned) -> None:
    for action, count in cleaned.counts().items():
        metrics.CLEANED.labels(action).inc(count)


def _stage_times(outcome: ImageOutcome, store_ms: float) -> Iterator[tuple[Stage, float]]:
    report = outcome.report
    if report is None or report.warmup:
        return
    if outcome.queue_triton_ms is not None:
        yield "queue", outcome.queue_triton_ms
    if outcome.fetch_ms is not None:
        yield "fetch", outcome.fetch_ms
    yield "store", store_ms
    for name in BACKEND_STAGES:  # a backend of a later release may send more
        if stage := report.stages.get(name):
            yield name, stage.amortised_ms
