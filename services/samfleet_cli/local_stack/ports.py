"""Choice of free ports, preferring those of the last start."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(names: Sequence[str], preferred: Mapping[str, int]) -> dict[str, int]:
    """Return one free port per name: the preferred one if it is free, otherwise any. All sockets stay open until the
    last port is chosen, so that no two names get the same.
    """
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name in sorted(names, key=lambda name: name not in preferred):
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, preferred.get(name, 0)))
            except OSError:
                probe.bind((LOOPBACK, 0))
            chosen[name] = probe.getsockname()[1]
    return chosen


def metrics_urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Return the Prometheus URLs of a stack by part. They include the port of Triton even if Triton is external."""
    urls = {"api": f"http://{LOOPBACK}:{ports['api']}/metrics"}
    for name, port in ports.items():
        if name.endswith("_metrics"):
            urls[name.removesuffix("_metrics")] = f"http://{LOOPBACK}:{port}/metrics"
    return urls
