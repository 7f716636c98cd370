"""Every metric of ours, declared once; `docs/operations.md` has the same list, held against this module by a test.

Labels take few values: routes are templates, codes are those of our errors, variants and pools are those configured.
No id, path or message is ever a label. What counts events lives in the process that sees them, in `REGISTRY`; what
describes the state of the fleet is a `StateGauge`, read from PostgreSQL and the broker by the API when it is scraped,
so that it is right whoever dies.

With PROMETHEUS_MULTIPROC_DIR set, the processes of one service (uvicorn with several workers) add up through files in
that folder, as prometheus-client describes it. Celery's workers need none: their tasks are threads of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)  # CPU seconds, memory, file descriptors, start time: process_*

HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # a cached read to a large upload
TRITON_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # a box on a GPU to SegEvery on a CPU
WORK_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)  # a shard of 32 images, or a sweep
LOAD_SECONDS = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)  # cached weights to a compilation

# Of the API
HTTP_REQUESTS = Counter(
    "samfleet_http_requests",
    "HTTP requests answered, by route template.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_DURATION = Histogram(
    "samfleet_http_request_duration_seconds",
    "Time from a request to the end of its answer; streams of events last as long as somebody listens.",
    ("method", "route"),
    buckets=HTTP_SECONDS,
    registry=REGISTRY,
)
HTTP_IN_PROGRESS = Gauge(
    "samfleet_http_requests_in_progress",
    "HTTP requests that are being answered.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)

# Of the workers
TASKS = Histogram(
    "samfleet_task_duration_seconds",
    "Time of a Celery task; the outcome is done, failed, or crashed for what nobody foresaw.",
    ("task", "outcome"),
    buckets=WORK_SECONDS,
    registry=REGISTRY,
)
SHARDS = Histogram(
    "samfleet_shard_duration_seconds",
    "Time from claiming a shard to its end: recorded, lost, handed_back, waited_for_room, released, run_failed or "
    "crashed.",
    ("variant", "pool", "outcome"),
    buckets=WORK_SECONDS,
    registry=REGISTRY,
)
SHARDS_IN_PROGRESS = Gauge(
    "samfleet_shards_in_progress",
    "Shards that this worker holds.",
    ("variant", "pool"),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
IMAGES = Counter(
    "samfleet_images",
    "Images recorded; the outcome is succeeded or failed.",
    ("variant", "pool", "outcome"),
    registry=REGISTRY,
)
IMAGE_FAILURES = Counter(
    "samfleet_image_failures", "Images recorded as failed, by the code of the error.", ("code",), registry=REGISTRY
)
MASKS = Counter("samfleet_masks", "Masks recorded.", ("variant", "pool"), registry=REGISTRY)
STAGES = Summary(
    "samfleet_image_stage_seconds",
    "An image's time in each stage, its share of the batch; warm-up is left out.",
    ("variant", "pool", "stage"),
    registry=REGISTRY,
)
TRITON_REQUESTS = Histogram(
    "samfleet_triton_request_duration_seconds",
    "Time of a request to Triton as the worker sees it; the outcome is ok or the code of the error.",
    ("variant", "outcome"),
    buckets=TRITON_SECONDS,
    registry=REGISTRY,
)
TRITON_IN_PROGRESS = Gauge(
    "samfleet_triton_requests_in_progress",
    "Requests at Triton.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
TRITON_RETRIES = Counter(
    "samfleet_triton_retries",
    "Requests sent again: to the next server (server_away), or after loading (model_not_loaded, model_process_died).",
    ("variant", "reason"),
    registry=REGISTRY,
)
MODEL_LOADS = Histogram(
    "samfleet_model_load_duration_seconds",
    "Time of loading a variant into a Triton server; the outcome is loaded, no_memory or failed.",
    ("variant", "outcome"),
    buckets=LOAD_SECONDS,
    registry=REGISTRY,
)
MODEL_UNLOADS = Counter(
    "samfleet_model_unloads", "Variants unloaded to make room for others.", ("variant",), registry=REGISTRY
)
LEASES_LOST = Counter(
    "samfleet_leases_lost",
    "Shards that were taken from this worker, or cancelled, while it worked on them.",
    ("pool",),
    registry=REGISTRY,
)
CLEANED = Counter(
    "samfleet_cleaner_actions",
    "What cleaning removed: jobs_removed, datasets_removed, unsealed_deleted, prefixes_emptied, orphans_deleted.",
    ("action",),
    registry=REGISTRY,
)
SWEPT = Counter(
    "samfleet_sweeper_actions",
    "What sweeps found and did: leases_expired, shards_resent, plans_resent, finishes_resent, shards_dispatched, "
    "parts_deleted.",
    ("action",),
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class StateGauge:
    """A gauge that is computed when it is asked for; `family` takes one value for each tuple of labels."""

    name: str
    documentation: str
    labels: tuple[str, ...]

    def family(self, values: Mapping[tuple[str, ...], float]) -> Metric:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


# Of the fleet, exported by the API
DEPENDENCY_UP = StateGauge(
    "samfleet_dependency_up", "1 when the database or the broker answered this scrape, else 0.", ("dependency",)
)
JOBS = StateGauge("samfleet_jobs", "Jobs in the database by state.", ("state",))
RUNS = StateGauge("samfleet_runs", "Runs in the database by pool and state.", ("pool", "state"))
SHARDS_IN_FLIGHT = StateGauge(
    "samfleet_shards_in_flight", "Shards that are queued or leased, by pool.", ("pool", "state")
)
OLDEST_SHARD = StateGauge(
    "samfleet_oldest_queued_shard_seconds", "How long the longest queued shard of a pool has waited.", ("pool",)
)
LEASES_OVERDUE = StateGauge(
    "samfleet_leases_overdue", "Leases that have run out and that no sweep has taken back yet.", ()
)
QUEUE_DEPTH = StateGauge("samfleet_queue_depth", "Messages that lie in a queue of the broker.", ("queue",))
WORKERS = StateGauge("samfleet_workers", "Workers with a fresh heartbeat, by pool.", ("pool",))
POOL_READY = StateGauge("samfleet_pool_ready", "1 when a living worker reaches a ready Triton of the pool.", ("pool",))

# Of every process that has a database engine
DATABASE_CONNECTIONS = StateGauge(
    "samfleet_database_connections", "Connections of this process's pool: in_use, idle, or limit.", ("state",)
)


class Totals(Collector):
    """`REGISTRY`, or the sum over a service's processes where there are several."""

    def collect(self) -> Iterable[Metric]:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return REGISTRY.collect()
        summed = CollectorRegistry()
        MultiProcessCollector(summed)  # type: ignore[no-untyped-call] # the library types its other classes
        return summed.collect()

    def describe(self) -> Sequence[Metric]:
        """Nothing: the names are known only when collected."""
        return ()


def exposition(*more: Collector) -> CollectorRegistry:
    """What a process shows: its totals, and what `more` computes when asked."""
    registry = CollectorRegistry()
    for collector in (Totals(), *more):
        registry.register(collector)
    return registry
