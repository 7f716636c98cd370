from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """Of the installed distribution; "0" where the code runs from a checkout that was never installed."""
    try:
        return version("samfleet")
    except PackageNotFoundError:
        return "0"
