from __future__ import annotations

from fastapi import APIRouter

from samfleet.db.clock import now
from samfleet.triton_releases import release_warning
from samfleet_api.dependencies import ReadSessionValue, SettingsValue, TenantId
from samfleet_api.pools.condition import condition_of
from samfleet_api.pools.devices import devices_by_pool, triton_versions
from samfleet_api.pools.repository import QueueDepth, fresh_heartbeats, last_signs, queue_depths, work_of_tenant
from samfleet_api.pools.schemas import OwnWork, PoolHealth, Queue
from samfleet_api.pools.views import Pool, Pools, loading_variants
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/pools", tags=["pools"])

MOST_RUNS = 20  # of a pool


@router.get("", summary="List pools", operation_id="pool_list", responses=problems())
def list_pools(tenant_id: TenantId, settings: SettingsValue, session: ReadSessionValue) -> Pools:
    """List the pools that jobs may name, in the order of the settings. The first is the default.

    Tenants share pools, so queue and devices cover all tenants together: numbers without names. Only `work` names runs,
    those of your tenant.
    """
    heartbeats = fresh_heartbeats(session)
    depths, devices = queue_depths(session), devices_by_pool(session, heartbeats)
    versions, signs = triton_versions(heartbeats), last_signs(session, settings.pools)
    work, moment = work_of_tenant(session, tenant_id), now(session)

    def view(name: str) -> Pool:
        health, depth = PoolHealth.of(name, heartbeats), depths.get(name, QueueDepth())
        seen_at = signs[name].seen_at if name in signs else None
        own = [one for one in work if one.pool == name][:MOST_RUNS]
        return Pool(
            **dict(health),
            condition=condition_of(health, depth.images_waiting + depth.images_in_progress, seen_at, moment),
            loading=loading_variants(name, heartbeats),
            work=[OwnWork.model_validate(one) for one in own],
            queue=Queue.model_validate(depth),
            devices=devices.get(name, []),
            triton_versions=versions.get(name, []),
            warnings=[warning for version in versions.get(name, ()) if (warning := release_warning(version))],
        )

    return Pools(items=[view(name) for name in settings.pools])
