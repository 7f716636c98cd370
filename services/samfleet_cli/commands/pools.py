"""`samfleet pools`: the Triton servers, workers and queue of each pool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain


def pools(as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Show the capacity of each pool: servers that answer, workers, devices and their load, and the waiting images."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    with connect(choose_api(api_url, api_key)) as client:
        found = client.pools()
    columns = (
        Column("pool", lambda pool: pool["name"]),
        Column("state", _condition),
        Column("servers", _servers_shown),
        Column("Triton", lambda pool: _listed(server.get("version") for server in servers(pool)), folds=True),
        Column("workers", lambda pool: len(pool["workers"])),
        Column("devices", lambda pool: _listed(device["name"] for device in pool["devices"]), folds=True),
        Column("busy", _busy),
        Column(
            "variants",
            lambda pool: _listed(name for one in servers(pool) for name in one.get("variants", ())),
            folds=True,
        ),
        Column("loading", lambda pool: _listed(one["variant"] for one in pool.get("loading", ())), folds=True),
        Column("waiting", lambda pool: pool["queue"]["images_waiting"]),
        Column("running", lambda pool: pool["queue"]["images_in_progress"]),
    )
    note = "servers: those that answer, of all that the pool has now; waiting and running: images"
    print_list(columns, found, Form(as_json, plain), whole=found, empty="there are no pools", note=note)


def servers(pool: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each server of a pool once, in the order of addresses; one that a worker reaches counts as ready."""
    by_address: dict[str, dict[str, Any]] = {}
    for worker in pool["workers"]:
        for server in worker["detail"].get("servers", ()):
            known = by_address.get(server["address"])
            if known is None or (server["ready"] and not known["ready"]):
                by_address[server["address"]] = server
    return [by_address[address] for address in sorted(by_address)]


def _condition(pool: dict[str, Any]) -> str | None:
    condition = pool.get("condition")  # a server of an earlier release sends none
    return str(condition["code"]).replace("_", " ") if condition else None


def _servers_shown(pool: dict[str, Any]) -> str:
    every = servers(pool)
    return f"{sum(server['ready'] for server in every)} of {len(every)}"


def _busy(pool: dict[str, Any]) -> str | None:
    """Return the mean share of the last minute in which the pool's devices computed."""
    shares = [device["busy_share"] for device in pool["devices"]]
    return f"{sum(shares) / len(shares):.0%}" if shares else None


def _listed(values: Iterable[str | None]) -> str:
    """Return distinct values with their number where it is above one: `NVIDIA L4 x 2`."""
    found = [value for value in values if value]
    counts = {value: found.count(value) for value in sorted(set(found))}
    return ", ".join(value if count == 1 else f"{value} x {count}" for value, count in counts.items())
