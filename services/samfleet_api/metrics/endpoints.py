from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from samfleet.db.pool_metrics import PoolCollector
from samfleet.metrics import exposition
from samfleet_api.dependencies import EngineValue, QueueValue, SettingsValue
from samfleet_api.metrics.collectors import FleetCollector
from samfleet_api.problems import problems

router = APIRouter(tags=["health"])

EXAMPLE = 'samfleet_queue_depth{queue="samfleet.pool.default"} 4.0'


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    operation_id="health_metrics",
    response_class=Response,
    responses={
        **problems(public=True),
        200: {"description": "Prometheus text format.", "content": {"text/plain": {"example": EXAMPLE}}},
    },
)
def read_metrics(settings: SettingsValue, engine: EngineValue, queue: QueueValue) -> Response:
    """Return the counters of this process and the current state of the fleet: totals over all tenants, without ids."""
    shown = exposition(PoolCollector(engine), FleetCollector(engine, queue, tuple(settings.pools)))
    return Response(generate_latest(shown), media_type=CONTENT_TYPE_LATEST)
