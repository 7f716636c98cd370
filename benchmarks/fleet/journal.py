"""Journal of a simulation: waiting times by size of tenant, faults, and records of each shard."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.fleet.workload import JobSpec
from samfleet.jobs.claim import ClaimedShard


@dataclass(slots=True)
class Journal:
    """Records by (run, index), counts of events, and the simulated seconds of waits by the size of the tenant."""

    records: Counter[tuple[uuid.UUID, int]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    shard_waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    first_images: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    held_seconds: float = 0.0
    _begun: set[uuid.UUID] = field(default_factory=set)

    def claimed(self, job: JobSpec, claimed: ClaimedShard) -> None:
        self.shard_waits[job.tenant.size].append(claimed.queue_shard_ms / 1e3)

    def recorded(self, job: JobSpec, claimed: ClaimedShard, now: float) -> None:
        self.records[claimed.run_id, claimed.index] += 1
        if job.id not in self._begun:
            self._begun.add(job.id)
            self.first_images[job.tenant.size].append(now - job.at)

    def ended(self, job: JobSpec, now: float) -> None:
        self.ends[job.tenant.size].append(now - job.at)

    def summary(self) -> dict[str, Any]:
        return {
            "queue_of_a_shard_s": _percentiles(self.shard_waits),
            "first_shard_recorded_after_submission_s": _percentiles(self.first_images),
            "job_ended_after_submission_s": _percentiles(self.ends),
        }


def _percentiles(waits: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    names = ("p50", "p95", "p99")
    return {
        size: dict(zip(names, (round(float(x), 2) for x in np.percentile(of, (50, 95, 99))), strict=True))
        for size, of in sorted(waits.items())
    }
