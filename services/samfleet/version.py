from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """Return the version of the installed distribution; "0" in a checkout that was never installed."""
    try:
        return version("samfleet")
    except PackageNotFoundError:
        return "0"
