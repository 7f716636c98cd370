"""The conditions of a measurement besides the code: machine, versions, commit, and the allocator's settings."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ALLOCATORS: dict[str, dict[str, str]] = {
    "default": {},
    # Huge pages, and no separate mapping for each large tensor: freed memory is reused instead of being returned to
    # the kernel and faulted in again.
    "tuned": {
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_TRIM_THRESHOLD_": str(2**30),
    },
}
ALLOCATOR_VARIABLES = ("GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_")
PACKAGES = ("torch", "transformers", "numpy", "pillow", "pycocotools", "scipy", "samfleet")
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment. `hardware` is the fingerprint in the engine's reports; `load` the load average at the start."""

    measured_at: str
    commit: str
    hardware: dict[str, Any]
    python: str
    platform: str
    versions: dict[str, str]
    allocators: dict[str, dict[str, str]]
    transparent_huge_pages: str | None
    load: tuple[float, float, float]


def read_environment(hardware: dict[str, Any]) -> Environment:
    return Environment(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        hardware=hardware,
        python=platform.python_version(),
        platform=platform.platform(),
        versions=versions(),
        allocators=ALLOCATORS,
        transparent_huge_pages=HUGE_PAGES.read_text().strip() if HUGE_PAGES.exists() else None,
        load=os.getloadavg(),
    )


def circumstances(note: str) -> dict[str, Any]:
    """Return the conditions of a benchmark of the service; `note` describes other work on the machine."""
    return {
        "commit": commit(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": versions(),
        "load_at_start": os.getloadavg(),
        "note": note,
    }


def child_environment(allocator: str, parent: Mapping[str, str]) -> dict[str, str]:
    """Return the parent's variables with only this allocator's settings, which take effect at a process's start."""
    kept = {name: value for name, value in parent.items() if not name.startswith(ALLOCATOR_VARIABLES)}
    return kept | ALLOCATORS[allocator]


def commit(folder: Path = Path(__file__).parent) -> str:
    """Return the name of a folder's commit, with "-dirty" if files differ from it; "unknown" outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
