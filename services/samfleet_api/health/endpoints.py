from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from samfleet_api.dependencies import EngineValue, QueueValue, SettingsValue, StoreValue
from samfleet_api.health.checks import Probes, check_broker, check_database, check_pools, check_storage
from samfleet_api.health.schemas import Health, Readiness
from samfleet_api.problems import problems

router = APIRouter(tags=["health"])

GATES = ("database", "broker", "storage")  # not the pools: jobs are accepted while Triton still loads


@router.get("/healthz", summary="Liveness", operation_id="health_read", responses=problems(public=True))
async def read_health() -> Health:
    return Health()


@router.get(
    "/readyz",
    summary="Readiness of the database, broker and storage",
    operation_id="readiness_read",
    responses={
        **problems(public=True),
        503: {"model": Readiness, "description": "The database, broker or storage is not ready."},
    },
)
async def read_readiness(
    request: Request,
    response: Response,
    settings: SettingsValue,
    engine: EngineValue,
    queue: QueueValue,
    store: StoreValue,
) -> Readiness:
    """Return 503 unless the database, broker and storage respond. Pools are reported, but do not affect the status."""
    probes: Probes = request.state.probes
    checks = await probes.run(
        {
            "database": partial(check_database, engine),
            "broker": partial(check_broker, queue),
            "storage": partial(check_storage, store),
            "pools": partial(check_pools, engine, tuple(settings.pools)),
        },
    )
    ready = all(checks[name].ok for name in GATES)
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not_ready", checks=checks)
