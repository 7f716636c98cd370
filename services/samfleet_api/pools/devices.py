"""Devices and Triton versions of a pool, from the heartbeats of its workers (`samfleet_worker.triton.devices`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from samfleet.db.models import WorkerHeartbeat
from samfleet.wire.device_state import CPU
from samfleet_api.pools.repository import hardware_ids
from samfleet_api.pools.schemas import Device

Heard = Mapping[str, Any]


def devices_by_pool(session: Session, heartbeats: Sequence[WorkerHeartbeat]) -> Mapping[str, list[Device]]:
    """Return each device once, even if several workers report it: with the sum of their busy shares and the newest
    state.
    """
    heard: dict[str, dict[tuple[str, ...], list[Heard]]] = defaultdict(lambda: defaultdict(list))
    for beat in heartbeats:
        for server in beat.detail.get("servers", ()):
            for device in server.get("devices", ()):
                heard[beat.pool][_identity(server["address"], device)].append(device)
    every = [device for pool in heard.values() for same in pool.values() for device in same]
    ids = hardware_ids(session, (device["fingerprint_sha256"] for device in every)) if every else {}
    return {pool: [_device(devices[key], ids) for key in sorted(devices)] for pool, devices in heard.items()}


def triton_versions(heartbeats: Sequence[WorkerHeartbeat]) -> Mapping[str, list[str]]:
    """Return the versions that the Triton servers of each pool report, sorted, each once."""
    found: dict[str, set[str]] = defaultdict(set)
    for beat in heartbeats:
        found[beat.pool].update(
            version for server in beat.detail.get("servers", ()) if (version := server.get("version"))
        )
    return {pool: sorted(versions) for pool, versions in found.items()}


def _identity(address: str, device: Heard) -> tuple[str, ...]:
    """Return a unique key: the UUID of a GPU; for a CPU, which has none, also the address of its server."""
    return (device["id"], address) if device["id"] == CPU else (device["id"],)


def _device(same: Sequence[Heard], ids: Mapping[str, Any]) -> Device:
    newest = max(same, key=lambda device: str(device["seen_at"]))
    busy = sum(float(device["busy_share"]) for device in same)
    return Device.model_validate(
        {**newest, "hardware_id": ids.get(newest["fingerprint_sha256"]), "busy_share": min(1.0, busy)}
    )
