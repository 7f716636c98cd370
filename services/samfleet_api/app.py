"""The REST API, which `python -m samfleet_api` serves. It opens no connection before the first request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, closing
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from samfleet.budget import Budget
from samfleet.config import Settings
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.reader import frame_readers
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.url_sources import UrlRules, UrlSources
from samfleet.logging import configure_logging
from samfleet.predictions.mailbox import RedisMailbox
from samfleet.tracing import configure_tracing
from samfleet.variants.catalogue import add_variants_of
from samfleet.version import code_version
from samfleet_api.audit.endpoints import router as audit
from samfleet_api.bodies import BodyLimit
from samfleet_api.comparisons.annotated import router as annotation_comparisons
from samfleet_api.comparisons.endpoints import router as comparisons
from samfleet_api.comparisons.images import router as image_comparisons
from samfleet_api.dashboard.docs import add_docs
from samfleet_api.dashboard.pages import add_dashboard
from samfleet_api.datasets.endpoints import router as datasets
from samfleet_api.datasets.filling import router as dataset_filling
from samfleet_api.datasets.filling_by_source import router as dataset_filling_by_source
from samfleet_api.datasets.images import router as dataset_images
from samfleet_api.datasets.places import router as dataset_sources
from samfleet_api.datasets.versions import router as dataset_versions
from samfleet_api.deletions.endpoints import router as deletions
from samfleet_api.dependencies import SCOPE_EXTENSION, refuse_unknown_parameters, scope_of
from samfleet_api.error_handlers import add_error_handlers
from samfleet_api.estimates.endpoints import router as job_estimates
from samfleet_api.exports.endpoints import router as exports
from samfleet_api.exports.files import router as export_files
from samfleet_api.hardware.endpoints import router as hardware
from samfleet_api.headers import AnswerHeaders
from samfleet_api.health.endpoints import router as health
from samfleet_api.job_reports.endpoints import router as job_reports
from samfleet_api.jobs.bulk import router as bulk_jobs
from samfleet_api.jobs.changes import router as job_changes
from samfleet_api.jobs.endpoints import router as jobs
from samfleet_api.jobs.events import INTERVAL
from samfleet_api.jobs.events import router as job_events
from samfleet_api.jobs.history import router as job_history
from samfleet_api.jobs.log import router as job_log
from samfleet_api.jobs.watching import EventStreams, WatchedJobs
from samfleet_api.keys.endpoints import current as current_key
from samfleet_api.keys.endpoints import router as keys
from samfleet_api.long_requests import LongRequests
from samfleet_api.metrics.endpoints import router as metrics
from samfleet_api.middleware import RequestLog
from samfleet_api.pools.endpoints import router as pools
from samfleet_api.predictions.endpoints import router as predictions
from samfleet_api.predictions.schemas import Predict
from samfleet_api.predictions.service import InFlight
from samfleet_api.problems import Problem
from samfleet_api.reports.advise import router as advice
from samfleet_api.reports.endpoints import prices
from samfleet_api.reports.endpoints import router as reports
from samfleet_api.reports.survey import router as survey
from samfleet_api.request_rates import RequestRates
from samfleet_api.reviews.endpoints import of_jobs as reviews_of_jobs
from samfleet_api.reviews.endpoints import router as reviews
from samfleet_api.runs.annotated import router as run_annotations
from samfleet_api.runs.endpoints import router as runs
from samfleet_api.runs.neighbours import router as run_neighbours
from samfleet_api.runs.originals import router as run_pictures
from samfleet_api.runs.previews import router as previews
from samfleet_api.runs.results import router as run_results
from samfleet_api.sessions.endpoints import links as login_links
from samfleet_api.sessions.endpoints import router as sessions
from samfleet_api.sessions.wrong_keys import WrongKeys
from samfleet_api.sites.endpoints import exchange
from samfleet_api.sites.endpoints import router as sites
from samfleet_api.state import State, open_state
from samfleet_api.storage.endpoints import router as storage
from samfleet_api.tenants.endpoints import router as tenants
from samfleet_api.variants.endpoints import router as variants
from samfleet_api.webhooks.deliveries import router as webhook_deliveries
from samfleet_api.webhooks.endpoints import router as webhooks

DESCRIPTION = """Segment whole image datasets with a fleet of Segment Anything variants.

Every request below `/v1` carries `Authorization: Bearer <key>` and sees only the data of that key's tenant.
Every error is `application/problem+json` with a stable `code`. Lists are paginated: pass `next` as `cursor` until it
is null. Unknown parameters and fields are rejected, so that misspellings are noticed.
"""
ROUTERS = (
    datasets, dataset_sources, dataset_images, dataset_filling, dataset_filling_by_source, dataset_versions,
    predictions, job_estimates, jobs, bulk_jobs, job_changes, job_events, job_history, job_log, job_reports,
    runs, run_results, run_pictures, previews, run_annotations, run_neighbours, reviews, reviews_of_jobs,
    exports, export_files, deletions, comparisons, image_comparisons, annotation_comparisons,
    variants, pools, hardware, prices, reports, survey, advice, exchange, sites, health, metrics,
    sessions, login_links, keys, current_key, tenants, audit, storage, webhooks, webhook_deliveries,
)  # fmt: skip


def create_app(
    settings: Settings | None = None,
    *,
    parts: Callable[[Settings], AbstractContextManager[State]] = open_state,
) -> FastAPI:
    """Build the application. `parts` opens what requests need; tests pass one with an in-memory queue."""
    settings = settings or Settings()
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing(settings.otlp_endpoint, "api")
    add_variants_of(settings.variants_dir)

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        with parts(settings) as state, closing(served.state.rates), closing(served.state.mailbox):
            frames = frame_readers(state["store"], served.state.s3, served.state.urls, FrameLimits.of(settings))
            yield {**state, **_in_this_loop(settings, state), "frames": frames}

    app = FastAPI(
        title="samfleet",
        version=code_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_parameters)],
        docs_url=None,  # dashboard/docs.py serves it
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    _add_state(app, settings)
    add_dashboard(app)
    add_docs(app)
    add_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(RequestLog)  # it sees every response
    app.add_middleware(AnswerHeaders)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))  # added last: outermost
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _add_state(app: FastAPI, settings: Settings) -> None:
    """Create the objects that requests share and that need no event loop."""
    app.state.wrong_keys = WrongKeys(settings.wrong_keys_per_minute)
    app.state.pictures = Budget(settings.overlay_pixels)
    app.state.s3 = S3Sources(settings.s3_sources)
    app.state.urls = UrlSources(UrlRules.of(settings))
    app.state.rates = RequestRates(settings)
    app.state.mailbox = RedisMailbox(settings.broker_url, settings.predict_timeout.total_seconds())
    app.state.predictions = InFlight(settings.predictions_in_flight)


def _in_this_loop(settings: Settings, state: State) -> dict[str, Any]:
    """Create the objects that requests share. Must run in the event loop that serves the requests."""
    return {
        "long_requests": LongRequests(settings.long_requests, settings.long_request_wait.total_seconds()),
        "event_streams": EventStreams(settings.event_streams, settings.event_streams_per_key),
        "watched_jobs": WatchedJobs(state["engine"], INTERVAL.total_seconds(), settings.keep_days),
    }


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"].update(problem.pop("$defs"), Problem=problem, Predict=_streamed(Predict))
        _state_scopes(schema["paths"])
        app.openapi_schema = schema
    return app.openapi_schema


def _streamed(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a body that a dependency reads, which FastAPI does not know."""
    return model.model_json_schema(ref_template="#/components/schemas/{model}")


def _state_scopes(paths: dict[str, Any]) -> None:
    """Add the scope that each operation with a key needs."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema and route.path_format.startswith("/v1/"):
                for operation in paths[route.path_format].values():
                    if operation["operationId"] == route.operation_id:
                        operation[SCOPE_EXTENSION] = scope_of(route).value
