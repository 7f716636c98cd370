"""All metrics of samfleet. A test compares `docs/operations.md` with this module.

Labels take few values: routes are templates, codes are those of our errors, variants and pools are those configured.
An id, path or message is never a label. Event counters live in `REGISTRY`, in the process that sees the events. The
state of the fleet is in `StateGauge`s, which the API reads from PostgreSQL and the broker at each scrape, so they stay
right when a process dies.

With PROMETHEUS_MULTIPROC_DIR set, the processes of one service (uvicorn with several workers) are summed through files
in that folder, as prometheus-client describes. Celery workers do not need it: their tasks are threads of one process.
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

HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # cached read … large upload
TRITON_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # box on a GPU … SegEvery on a CPU
WORK_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)  # a shard of 32 images, or a sweep
WAIT_SECONDS = (1, 5, 15, 60, 120, 300, 600, 1800, 3600, 14_400)  # free worker … busy pool; 300 is the objective
LOAD_SECONDS = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)  # cached weights … compilation

# API
HTTP_REQUESTS = Counter(
    "samfleet_http_requests",
    "HTTP requests served, by route template.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_DURATION = Histogram(
    "samfleet_http_request_duration_seconds",
    "Time from a request to the end of its response; event streams last until the client disconnects.",
    ("method", "route"),
    buckets=HTTP_SECONDS,
    registry=REGISTRY,
)
HTTP_IN_PROGRESS = Gauge(
    "samfleet_http_requests_in_progress",
    "HTTP requests in progress.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
PREDICTIONS = Histogram(
    "samfleet_prediction_duration_seconds",
    "Time of a prediction from its checks to the reply of a worker; the outcome is succeeded, the code of the error, "
    "or crashed for an unexpected one.",
    ("outcome",),
    buckets=TRITON_SECONDS,
    registry=REGISTRY,
)
RATES_COUNTED_LOCALLY = Counter(
    "samfleet_rates_counted_locally",
    "Requests that one API process counted alone for their tenant's limit, because Redis did not reply.",
    registry=REGISTRY,
)

# Workers
TASKS = Histogram(
    "samfleet_task_duration_seconds",
    "Duration of a Celery task; the outcome is done, failed, or crashed for an unexpected error.",
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
FIRST_IMAGES = Histogram(
    "samfleet_first_images_seconds",
    "Time from the submission of a job to the record of the first images of each of its runs.",
    ("pool",),
    buckets=WAIT_SECONDS,
    registry=REGISTRY,
)
MASKS = Counter("samfleet_masks", "Masks recorded.", ("variant", "pool"), registry=REGISTRY)
STAGES = Summary(
    "samfleet_image_stage_seconds",
    "Time of an image in each stage, as its share of the batch; warm-up is excluded.",
    ("variant", "pool", "stage"),
    registry=REGISTRY,
)
TRITON_REQUESTS = Histogram(
    "samfleet_triton_request_duration_seconds",
    "Duration of a request to Triton as the worker sees it; the outcome is ok or the code of the error.",
    ("variant", "outcome"),
    buckets=TRITON_SECONDS,
    registry=REGISTRY,
)
TRITON_IN_PROGRESS = Gauge(
    "samfleet_triton_requests_in_progress",
    "Requests in progress at Triton.",
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
    "Time to load a variant into a Triton server; the outcome is loaded, no_memory or failed.",
    ("variant", "outcome"),
    buckets=LOAD_SECONDS,
    registry=REGISTRY,
)
MODEL_UNLOADS = Counter(
    "samfleet_model_unloads", "Variants unloaded to free memory for others.", ("variant",), registry=REGISTRY
)
LEASES_LOST = Counter(
    "samfleet_leases_lost",
    "Shards that this worker lost, or that were cancelled, while it worked on them.",
    ("pool",),
    registry=REGISTRY,
)
CLEANED = Counter(
    "samfleet_cleaner_actions",
    "Removals by the cleaner: jobs_removed, datasets_removed, unsealed_deleted, prefixes_emptied, orphans_deleted, "
    "exports_expired.",
    ("action",),
    registry=REGISTRY,
)
SWEPT = Counter(
    "samfleet_sweeper_actions",
    "Actions of sweeps: leases_expired, shards_resent, plans_resent, finishes_resent, shards_dispatched, "
    "parts_deleted, listings_resent, exports_resent, comparisons_resent.",
    ("action",),
    registry=REGISTRY,
)
WEBHOOK_ATTEMPTS = Histogram(
    "samfleet_webhook_attempt_duration_seconds",
    "Duration of a request to the receiver of a webhook; the outcome is delivered or the code of the error.",
    ("outcome",),
    buckets=HTTP_SECONDS,
    registry=REGISTRY,
)
WEBHOOK_DELIVERIES = Counter(
    "samfleet_webhook_deliveries",
    "Messages of webhooks that are not tried again; the outcome is delivered or failed.",
    ("outcome",),
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class StateGauge:
    """A gauge computed at each scrape; `family` takes one value for each tuple of labels."""

    name: str
    documentation: str
    labels: tuple[str, ...]

    def family(self, values: Mapping[tuple[str, ...], float]) -> Metric:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


# Fleet, exported by the API
DEPENDENCY_UP = StateGauge(
    "samfleet_dependency_up", "1 if the database or the broker responded at this scrape, else 0.", ("dependency",)
)
JOBS = StateGauge("samfleet_jobs", "Jobs in the database by state.", ("state",))
RUNS = StateGauge("samfleet_runs", "Runs in the database by pool and state.", ("pool", "state"))
SHARDS_IN_FLIGHT = StateGauge(
    "samfleet_shards_in_flight", "Shards that are queued or leased, by pool.", ("pool", "state")
)
OLDEST_SHARD = StateGauge(
    "samfleet_oldest_queued_shard_seconds", "Waiting time of the oldest queued shard of a pool.", ("pool",)
)
LEASES_OVERDUE = StateGauge("samfleet_leases_overdue", "Expired leases that no sweep has taken back yet.", ())
QUEUE_DEPTH = StateGauge("samfleet_queue_depth", "Messages waiting in a queue of the broker.", ("queue",))
WORKERS = StateGauge("samfleet_workers", "Workers with a fresh heartbeat, by pool.", ("pool",))
POOL_READY = StateGauge("samfleet_pool_ready", "1 if a live worker reaches a ready Triton of the pool.", ("pool",))
WEBHOOKS_PENDING = StateGauge(
    "samfleet_webhook_deliveries_pending", "Messages that wait for an enabled webhook, retries included.", ()
)
WEBHOOKS_OLDEST = StateGauge(
    "samfleet_webhook_oldest_pending_seconds", "Age of the oldest message that waits for an enabled webhook.", ()
)
WEBHOOKS_OVERDUE = StateGauge(
    "samfleet_webhook_overdue_seconds", "Longest time for which a message is due and no worker has sent it.", ()
)

# Every process that has a database engine
DATABASE_CONNECTIONS = StateGauge(
    "samfleet_database_connections", "Connections of this process's pool: in_use, idle, or limit.", ("state",)
)


class Totals(Collector):
    """Collect `REGISTRY`, or the sum over the processes of a service if there are several."""

    def collect(self) -> Iterable[Metric]:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return REGISTRY.collect()
        summed = CollectorRegistry()
        MultiProcessCollector(summed)  # type: ignore[no-untyped-call] # the library types its other classes
        return summed.collect()

    def describe(self) -> Sequence[Metric]:
        """Return nothing: the names are known only when collected."""
        return ()


def exposition(*more: Collector) -> CollectorRegistry:
    """Return the registry that a process exports: its totals, and `more` collectors computed at each scrape."""
    registry = CollectorRegistry()
    for collector in (Totals(), *more):
        registry.register(collector)
    return registry
