"""A machine that joins a stack elsewhere: it runs Triton and the worker of one pool, and nothing else.

PostgreSQL, Redis and the object store are those of the stack that it joins, by their settings.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import replace

from samfleet.config import Settings
from samfleet.errors import InvalidInput
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.plan import EMBEDDED_POOL, StackPlan, make_plan
from samfleet_cli.local_stack.readiness import WorkerReady
from samfleet_cli.local_stack.settings import StackSettings

NEEDED = ("database_url", "broker_url", "storage_url", "pool")


class JoinIncomplete(InvalidInput):
    """A worker can join a stack only if it knows its database, broker, store and pool."""

    code = "worker_join_incomplete"


def require_joinable(settings: Settings) -> None:
    """Raise `JoinIncomplete` with the variables that are not set."""
    missing = [f"SAMFLEET_{name.upper()}" for name in NEEDED if name not in settings.model_fields_set]
    if missing:
        raise JoinIncomplete(f"set {', '.join(missing)} to those of the stack that this machine joins")


def plan_of(settings: Settings, stack: StackSettings, former_ports: Mapping[str, int]) -> StackPlan:
    """Make the plan of the parts that the settings ask for."""
    if stack.parts == "all":
        return make_plan(settings, stack, former_ports)
    require_joinable(settings)
    return joined_plan(make_plan(settings, stack, former_ports), settings)


def joined_plan(whole: StackPlan, settings: Settings) -> StackPlan:
    """Reduce a plan to Triton and the worker of the setting `pool`, under whose name the own Triton then serves."""
    pool = settings.pool
    own = whole.info.pools.get(EMBEDDED_POOL) if "pools" not in settings.model_fields_set else None
    pools = {pool: own} if own is not None else whole.info.pools
    served = EMBEDDED_POOL if own is not None else pool
    info = replace(whole.info, api_url="", api_key="", pools=pools)
    parts = [
        part if part.name == "triton" else _worker_of(part, served, replace(whole, info=info), pool)
        for part in whole.parts
        if part.name == "triton" or (part.name.startswith("worker") and part.env["SAMFLEET_POOL"] == served)
    ]
    names = {part.name for part in parts}
    parts = [replace(part, depends_on=tuple(name for name in part.depends_on if name in names)) for part in parts]
    return replace(whole, info=info, parts=tuple(parts))


def _worker_of(part: PartSpec, served: str, plan: StackPlan, pool: str) -> PartSpec:
    """Return the worker for its pool, with a node's name that no other machine has."""
    node = f"worker-{pool}@{socket.gethostname()}"
    other = {f"samfleet.pool.{served}": f"samfleet.pool.{pool}", f"{part.name}@samfleet": node}
    pools = json.dumps({name: list(servers) for name, servers in plan.info.pools.items()})
    return replace(
        part,
        name="worker",
        argv=tuple(other.get(word, word) for word in part.argv),
        env={**part.env, "SAMFLEET_POOL": pool, "SAMFLEET_POOLS": pools},
        readiness=WorkerReady(plan.info.broker_url, node),
    )
