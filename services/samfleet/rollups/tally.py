"""Images counted by cell (series, stage, hour, batch class, warm-up) before they are written."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from samfleet.db.models import Outcome
from samfleet.rollups.measures import STAGE_SQL, batch_class, measures, memory_bytes
from samfleet.rollups.sketch import bucket_of
from samfleet.wire.stages import IMAGE


class Cell(NamedTuple):
    hardware_id: uuid.UUID | None
    checkpoint_sha256: str | None
    stage: str
    hour: datetime
    batch_class: int
    warmup: bool


@dataclass(slots=True)
class Tally:
    """Counts and sums of a cell. `counts` is by bucket; times too short for any bucket are only in `n`."""

    n: int = 0
    failures: int = 0
    sum_ms: float = 0.0
    counts: Counter[int] = field(default_factory=Counter)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    instances: int = 0
    iou_sum: float = 0.0
    energy_j: float = 0.0
    energy_images: int = 0
    load_sum: float = 0.0
    load_images: int = 0
    peak_memory_bytes: int | None = None
    memory_images: int = 0

    def add_time(self, ms: float) -> None:
        self.n += 1
        self.sum_ms += ms
        if (bucket := bucket_of(ms)) is not None:
            self.counts[bucket] += 1

    def merge(self, other: Tally) -> None:
        self.n += other.n
        self.failures += other.failures
        self.sum_ms += other.sum_ms
        self.counts += other.counts
        self.started_at = min((at for at in (self.started_at, other.started_at) if at), default=None)
        self.ended_at = max((at for at in (self.ended_at, other.ended_at) if at), default=None)
        self.instances += other.instances
        self.iou_sum += other.iou_sum
        self.energy_j += other.energy_j
        self.energy_images += other.energy_images
        self.load_sum += other.load_sum
        self.load_images += other.load_images
        self.add_memory(other.peak_memory_bytes, other.memory_images)

    def add_memory(self, peak_bytes: int | None, images: int = 1) -> None:
        """Add the peak memory of `images` images; None is unknown and adds nothing."""
        if peak_bytes is not None:
            self.peak_memory_bytes = max(peak_bytes, self.peak_memory_bytes or 0)
            self.memory_images += images


def tally(rows: Iterable[Mapping[str, Any]], claimed_at: datetime, recorded_at: datetime) -> dict[Cell, Tally]:
    """Count the rows of one shard, in the form in which they go into `image_results`.

    An image that failed before it reached a machine counts for the machine of its shard.
    """
    ordered = sorted(rows, key=lambda row: (row["hardware_id"] is None, row["image_id"]))
    hour = recorded_at.replace(minute=0, second=0, microsecond=0)
    stages: dict[Cell, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for row in ordered:
        machine = row if row["hardware_id"] is not None else ordered[0]
        cell = Cell(
            machine["hardware_id"],
            machine["checkpoint_sha256"],
            IMAGE,
            hour,
            batch_class(row["batch_size"]),
            bool(row["warmup"]),
        )
        _add_image(stages[cell], row)
    for tallies in stages.values():
        tallies[IMAGE].started_at, tallies[IMAGE].ended_at = claimed_at, recorded_at
    return {cell._replace(stage=stage): entry for cell, tallies in stages.items() for stage, entry in tallies.items()}


def _add_image(tallies: dict[str, Tally], row: Mapping[str, Any]) -> None:
    """Add an image to the tallies of its cell by stage."""
    if row["outcome"] is Outcome.SUCCEEDED:
        for stage, ms in measures(row).items():
            tallies[stage].add_time(ms)
    else:
        tallies[IMAGE].failures += 1
        if row["error_stage"] in STAGE_SQL:
            tallies[row["error_stage"]].failures += 1
    whole = tallies[IMAGE]
    if row["quality_instances"] is not None:
        whole.instances += row["quality_instances"]
        whole.iou_sum += row["quality_iou_sum"]
    if row["energy_j"] is not None:
        whole.energy_j += row["energy_j"]
        whole.energy_images += row["outcome"] is Outcome.SUCCEEDED
    if row["other_load"] is not None:
        whole.load_sum += row["other_load"]
        whole.load_images += 1
    whole.add_memory(memory_bytes(row))
