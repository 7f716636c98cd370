"""`samfleet tune`: the settings with which this machine serves one variant best."""

from __future__ import annotations
