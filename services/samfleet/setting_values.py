"""Parsers of settings, which the environment gives as text."""

from __future__ import annotations

import json
import re
from typing import Any


def drop_service_link(value: Any) -> Any:
    """Return None for an address that Kubernetes sets, and the value itself otherwise.

    For a Service `samfleet-metrics`, Kubernetes sets SAMFLEET_METRICS_PORT=tcp://10.0.0.1:9400 in every pod that does
    not set the variable itself. So such a value means that no port was configured.
    """
    return None if isinstance(value, str) and re.match(r"(tcp|udp|sctp)://", value) else value


def parse_pools(text: str) -> Any:
    """Read `name=host:port,host:port;other=host:port`, or the same as JSON. Raises ValueError."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    if any(not equals or not name.strip() or not servers.strip() for name, equals, servers in pairs):
        raise ValueError("pools are written name=host:port,host:port;other=host:port")
    return {name.strip(): tuple(server.strip() for server in servers.split(",")) for name, _, servers in pairs}


def parse_seconds(value: Any) -> Any:
    """Read a plain number as seconds; pydantic alone accepts only `PT20S` or `00:00:20`."""
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return float(value)
    return value
