"""The pools, tenants and jobs of a simulation, drawn from a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SHARE_OF_IMAGES = {"small": 0.05, "medium": 0.25, "large": 0.70}
JOBS_PER_POOL = {"small": 12, "medium": 6, "large": 3}  # so that tenants meet in each pool
WEIGHTS = (1.0, 2.0, 4.0)
VARIANTS = ("mobile_sam", "tinysam", "edge_sam")


class Size(StrEnum):
    """Size of a tenant's jobs."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool: `workers` with `slots` shards at a time each, of which each image takes `seconds`."""

    name: str
    seconds: float
    workers: int
    slots: int

    @property
    def images_per_second(self) -> float:
        return self.workers * self.slots / self.seconds


@dataclass(frozen=True, slots=True)
class TenantSpec:
    id: uuid.UUID
    name: str
    size: Size
    weight: float


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job of one run, submitted `at` seconds after the start."""

    id: uuid.UUID
    tenant: TenantSpec
    pool: str
    variant: str
    images: int
    at: float


@dataclass(frozen=True, slots=True)
class Workload:
    pools: Sequence[PoolSpec]
    tenants: Sequence[TenantSpec]
    jobs: Sequence[JobSpec]

    @property
    def least_seconds(self) -> float:
        """Return the time that all images take if every slot of every pool works throughout."""
        return sum(job.images for job in self.jobs) / sum(pool.images_per_second for pool in self.pools)


def draw_workload(
    seed: int, *, pools: int, tenants: int, images: int, seconds_per_image: Sequence[float], workers: int, slots: int
) -> Workload:
    """Return a workload of exactly `images` images. A pool gets images in proportion to its speed.

    Jobs arrive over the first half of the least time that the work takes.
    """
    draw = random.Random(seed)  # noqa: S311 - a simulation
    fleet = [
        PoolSpec(f"pool-{number:04}", seconds_per_image[number % len(seconds_per_image)], workers, slots)
        for number in range(pools)
    ]
    sizes = list(Size)
    people = [
        TenantSpec(_id(draw), f"tenant-{number:03}", sizes[number % 3], WEIGHTS[number // 3 % len(WEIGHTS)])
        for number in range(tenants)
    ]
    horizon = images / sum(pool.images_per_second for pool in fleet) / 2
    jobs = [job for size in sizes for job in _jobs(draw, size, fleet, people, images, horizon)]
    missing = images - sum(job.images for job in jobs)
    last = jobs[-1]  # a large one takes what rounding left
    jobs[-1] = JobSpec(last.id, last.tenant, last.pool, last.variant, last.images + missing, last.at)
    return Workload(fleet, people, sorted(jobs, key=lambda job: job.at))


def _jobs(
    draw: random.Random,
    size: Size,
    fleet: Sequence[PoolSpec],
    people: Sequence[TenantSpec],
    images: int,
    horizon: float,
) -> list[JobSpec]:
    """Draw the jobs of all tenants of a size, with log-normal numbers of images."""
    own = [tenant for tenant in people if tenant.size is size]
    rates = sum(pool.images_per_second for pool in fleet)
    jobs = []
    for pool in fleet:
        budget = SHARE_OF_IMAGES[size] * images * pool.images_per_second / rates
        parts = [draw.lognormvariate(0, 0.5) for _ in range(JOBS_PER_POOL[size])]
        for part in parts:
            count = max(1, int(budget * part / sum(parts)))
            at = draw.uniform(0, horizon)
            jobs.append(JobSpec(_id(draw), draw.choice(own), pool.name, draw.choice(VARIANTS), count, at))
    return jobs


def run_of(job_id: uuid.UUID) -> uuid.UUID:
    """Return the id of a job's only run."""
    return uuid.uuid5(job_id, "run")


def _id(draw: random.Random) -> uuid.UUID:
    return uuid.UUID(int=draw.getrandbits(128), version=4)
