from __future__ import annotations

from fastapi import APIRouter, Depends

from samfleet_api.dependencies import ReadSessionValue, SettingsValue, current_tenant
from samfleet_api.pools.repository import fresh_heartbeats
from samfleet_api.pools.schemas import Pool, Pools
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/pools", tags=["pools"], dependencies=[Depends(current_tenant)])


@router.get("", summary="List pools", operation_id="pool_list", responses=problems())
def list_pools(settings: SettingsValue, session: ReadSessionValue) -> Pools:
    """The pools that jobs may name, in the order of the settings; the first is the default one."""
    heartbeats = fresh_heartbeats(session)
    return Pools(items=[Pool.of(name, heartbeats) for name in settings.pools])
