"""The pools, tenants and jobs of a simulation, drawn from a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

SHARE_OF_IMAGES = {"small": 0.05, "medium": 0.25, "large": 0.70}
JOBS_PER_POOL = (12, 6, 3)  # small, medium and large ones, so that tenants meet in each pool
FIRST_IMAGES = 4  # of a job that measures a variant in a pool: one shard
FIRST_SECONDS = 60.0  # until the other jobs arrive, if each variant is measured first
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
    seed: int,
    *,
    pools: int,
    tenants: int,
    images: int,
    seconds_per_image: Sequence[float],
    workers: int,
    slots: int,
    jobs_per_pool: Sequence[int] = JOBS_PER_POOL,
    variants: int = len(VARIANTS),
    measured_first: bool = False,
) -> Workload:
    """Return a workload of exactly `images` images. A pool gets images in proportion to its speed.

    `jobs_per_pool` has the small, medium and large jobs; a size without jobs leaves its images to the others. Jobs
    arrive over the first half of the least time that the work takes. If `measured_first`, each pool has had a job
    of four images of each variant before: the service then knows the speeds, by which it chooses the shards' sizes.
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
    hosted = VARIANTS[:variants]
    first = _first_jobs(draw, fleet, people, hosted) if measured_first else []
    begin = FIRST_SECONDS if measured_first else 0.0
    horizon = images / sum(pool.images_per_second for pool in fleet) / 2
    jobs = list(first)
    for size, count, share in _shares(images - FIRST_IMAGES * len(first), jobs_per_pool):
        drawn = _jobs(draw, size, count, fleet, people, hosted, share, horizon)
        jobs += [replace(job, at=begin + job.at) for job in drawn]
    missing = images - sum(job.images for job in jobs)
    jobs[-1] = replace(jobs[-1], images=jobs[-1].images + missing)  # a large one takes what rounding left
    return Workload(fleet, people, sorted(jobs, key=lambda job: job.at))


def _shares(images: int, jobs_per_pool: Sequence[int]) -> list[tuple[Size, int, float]]:
    """Return each size that has jobs, with their number in a pool and their images in all pools."""
    used = [(size, count) for size, count in zip(Size, jobs_per_pool, strict=True) if count]
    whole = sum(SHARE_OF_IMAGES[size] for size, _ in used)
    return [(size, count, SHARE_OF_IMAGES[size] / whole * images) for size, count in used]


def _first_jobs(
    draw: random.Random, fleet: Sequence[PoolSpec], people: Sequence[TenantSpec], variants: Sequence[str]
) -> list[JobSpec]:
    wanted = [(pool, variant) for pool in fleet for variant in variants]
    return [
        JobSpec(_id(draw), people[place % len(people)], pool.name, variant, FIRST_IMAGES, 0.0)
        for place, (pool, variant) in enumerate(wanted)
    ]


def _jobs(
    draw: random.Random,
    size: Size,
    count: int,
    fleet: Sequence[PoolSpec],
    people: Sequence[TenantSpec],
    variants: Sequence[str],
    images: float,
    horizon: float,
) -> list[JobSpec]:
    """Draw `count` jobs of a size for each pool, with log-normal numbers of images, about `images` in all."""
    own = [tenant for tenant in people if tenant.size is size]
    rates = sum(pool.images_per_second for pool in fleet)
    jobs = []
    for pool in fleet:
        budget = images * pool.images_per_second / rates
        parts = [draw.lognormvariate(0, 0.5) for _ in range(count)]
        for part in parts:
            own_images = max(1, int(budget * part / sum(parts)))
            at = draw.uniform(0, horizon)
            jobs.append(JobSpec(_id(draw), draw.choice(own), pool.name, draw.choice(variants), own_images, at))
    return jobs


def run_of(job_id: uuid.UUID) -> uuid.UUID:
    """Return the id of a job's only run."""
    return uuid.uuid5(job_id, "run")


def _id(draw: random.Random) -> uuid.UUID:
    return uuid.UUID(int=draw.getrandbits(128), version=4)
