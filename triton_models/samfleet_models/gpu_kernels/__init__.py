"""Kernels for GPUs in Triton's language. Modules of this package import `triton` and need it installed."""

from __future__ import annotations
