"""Client of samfleet's REST API for programs and notebooks. Needs neither torch nor servers.

    from samfleet.client import Client

    with Client() as client:
        ...

May import `datasets`, `masks` and below, without the database and the object store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samfleet.client.address import ApiKeyMissing, StackNotRunning
    from samfleet.client.sync_client import Client
    from samfleet.client.transport import ApiError, ApiUnreachable
    from samfleet.client.wait import JobFailed

_MODULES = {
    "ApiError": "transport",
    "ApiKeyMissing": "address",
    "ApiUnreachable": "transport",
    "Client": "sync_client",
    "JobFailed": "wait",
    "StackNotRunning": "address",
}
__all__ = ["ApiError", "ApiKeyMissing", "ApiUnreachable", "Client", "JobFailed", "StackNotRunning"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: commands that need only a schema start faster."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
