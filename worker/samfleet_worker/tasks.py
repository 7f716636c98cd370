"""The tasks by name: thin wrappers of plain functions, which the tests call directly.

All acknowledge late: the message of a worker that died is delivered again, and running it twice does no harm. None is
shared, because Celery would add it to every application of the process.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from samfleet.comparisons.build import build_comparison
from samfleet.comparisons.states import COMPARISONS
from samfleet.datasets.service import InputLimits
from samfleet.db.session import transaction
from samfleet.exports.build import build_export
from samfleet.exports.delete import delete_expired_exports
from samfleet.exports.of_jobs import request_due_exports
from samfleet.exports.states import EXPORTS
from samfleet.jobs.abandon import bounded_finishing, bounded_listing, bounded_planning
from samfleet.jobs.clean import clean
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.listing import list_dataset
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import TaskName
from samfleet.jobs.sweep import Swept, sweep
from samfleet.logging import get_logger
from samfleet.masks.large import PixelLimits
from samfleet.pulls.request import resend_pulls
from samfleet.pulls.work import run_pull
from samfleet.variants.catalogue import get_variant
from samfleet_worker.base import SamfleetTask, WorkerApp
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.shard_metrics import count_cleaned, count_swept

log = get_logger(__name__)

IDLE = Swept(0, 0, 0, 0, 0, 0)
EXPORTS_AT_ONCE = 100


def register_tasks(app: WorkerApp) -> None:
    @app.task(name=TaskName.LIST.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def list_folder(self: SamfleetTask, dataset_id: str) -> None:
        services, named = self.services, uuid.UUID(dataset_id)
        roots, limits = services.settings.dataset_roots, InputLimits.of(services.settings)
        with bounded_listing(services.engine, named):
            list_dataset(services.engine, named, roots, limits, services.s3, services.urls, services.store)

    @app.task(name=TaskName.PLAN.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def plan(self: SamfleetTask, job_id: str) -> None:
        engine, limits = self.services.engine, self.services.settings
        with bounded_planning(engine, uuid.UUID(job_id)):
            plan_job(
                engine,
                self.services.queue,
                uuid.UUID(job_id),
                shard_size=limits.shard_size,
                shard_time=limits.shard_time,
                shards_in_flight=limits.shards_in_flight,
            )

    @app.task(name=TaskName.DISPATCH.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def dispatch(self: SamfleetTask, run_id: str) -> None:
        services = self.services
        with transaction(services.engine) as session:
            dispatch_run(session, services.queue, uuid.UUID(run_id), services.settings.shards_in_flight)

    @app.task(name=TaskName.SEGMENT.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def segment(self: SamfleetTask, shard_id: int) -> None:
        segment_shard(self.services, shard_id)

    _register_results(app)
    _register_periodic_tasks(app)


def _register_results(app: WorkerApp) -> None:
    @app.task(name=TaskName.FINISH.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def finish(self: SamfleetTask, run_id: str) -> None:
        with bounded_finishing(self.services.engine, uuid.UUID(run_id)):
            finish_run(self.services.engine, self.services.store, uuid.UUID(run_id))
        with transaction(self.services.engine) as session:
            request_due_exports(session, self.services.queue, uuid.UUID(run_id))

    @app.task(name=TaskName.EXPORT.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def build(self: SamfleetTask, export_id: str) -> None:
        services = self.services
        settings, most = services.settings, services.settings.max_image_bytes
        limits = PixelLimits(settings.max_pixels, settings.max_tiled_pixels)
        build_export(services.engine, services.store, uuid.UUID(export_id), most, services.remote, limits)

    @app.task(name=TaskName.COMPARE.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def compare(self: SamfleetTask, comparison_id: str) -> None:
        build_comparison(self.services.engine, self.services.store, uuid.UUID(comparison_id))

    @app.task(name=TaskName.PULL.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def pull(self: SamfleetTask, variant: str) -> None:
        settings = self.services.settings
        run_pull(self.services.engine, get_variant(variant), settings.weights_dir, settings.accept_licenses)


def _register_periodic_tasks(app: WorkerApp) -> None:
    @app.task(name=TaskName.SWEEP.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def sweep_once(self: SamfleetTask) -> None:
        services = self.services
        with transaction(services.engine) as session:
            exports = EXPORTS.sweep(session, services.queue, services.sweep_limits.resend_after)
            exports += request_due_exports(session, services.queue)
            comparisons = COMPARISONS.sweep(session, services.queue, services.sweep_limits.resend_after)
            resend_pulls(session, services.queue)
        swept = sweep(services.engine, services.queue, services.store, services.sweep_limits)
        swept = replace(swept, exports_resent=exports, comparisons_resent=comparisons)
        count_swept(swept)
        if swept != IDLE:
            log.info("sweep.found", **{name: getattr(swept, name) for name in swept.__slots__})

    @app.task(name=TaskName.CLEAN.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def clean_once(self: SamfleetTask) -> None:
        services = self.services
        cleaned = clean(services.engine, services.store, services.clean_limits)
        cleaned.exports_expired = delete_expired_exports(services.engine, services.store, EXPORTS_AT_ONCE)
        count_cleaned(cleaned)
        if counts := cleaned.counts():
            log.info("clean.removed", **counts)
