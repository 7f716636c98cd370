from __future__ import annotations

from fastapi import APIRouter, Depends

from samfleet.triton_releases import release_warning
from samfleet_api.dependencies import ReadSessionValue, SettingsValue, current_tenant
from samfleet_api.pools.devices import devices_by_pool, triton_versions
from samfleet_api.pools.repository import QueueDepth, fresh_heartbeats, queue_depths
from samfleet_api.pools.schemas import Pool, PoolHealth, Pools, Queue
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/pools", tags=["pools"], dependencies=[Depends(current_tenant)])


@router.get("", summary="List pools", operation_id="pool_list", responses=problems())
def list_pools(settings: SettingsValue, session: ReadSessionValue) -> Pools:
    """List the pools that jobs may name, in the order of the settings. The first is the default.

    Tenants share pools, so queue and devices cover all tenants together: numbers without names.
    """
    heartbeats = fresh_heartbeats(session)
    depths, devices = queue_depths(session), devices_by_pool(session, heartbeats)
    versions = triton_versions(heartbeats)
    return Pools(
        items=[
            Pool(
                **dict(PoolHealth.of(name, heartbeats)),
                queue=Queue.model_validate(depths.get(name, QueueDepth())),
                devices=devices.get(name, []),
                triton_versions=versions.get(name, []),
                warnings=[warning for version in versions.get(name, ()) if (warning := release_warning(version))],
            )
            for name in settings.pools
        ]
    )
