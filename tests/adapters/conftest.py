"""The whole real stack: all tests of this folder share it, and it ends with the last of them."""

from __future__ import annotations

from fixtures.servers.running_stack import samfleet

__all__ = ["samfleet"]
