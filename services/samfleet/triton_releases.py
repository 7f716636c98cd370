"""Triton releases and their published faults, for warnings about servers that lack the fixes.

Only faults that a page names together with its release are listed (docs/adr/0068-the-embedded-triton-stays-local.md
has the sources). NVIDIA names releases by month (26.06) and versions the server (2.70.0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A published fault. `fixed_in` is NVIDIA's release by month."""

    cve: str
    fixed_in: str
    effect: str


FAULTS = (
    Fault("CVE-2025-23310", "25.07", "stack overflow by chunked HTTP requests"),
    Fault("CVE-2025-23319", "25.07", "a chain that ends in writes to the Python backend's shared memory"),
    Fault("CVE-2026-24207", "26.03", "authentication bypass"),
    Fault("CVE-2026-47627", "26.06", "files written outside the model repository by a load request"),
)
LAST_FIX = (2, 70)  # tritonserver:26.06, the release with the last of these fixes
LAST_FIX_RELEASE = "26.06"


def release_warning(version: str) -> str | None:
    """Return a sentence about a server older than the last known fix; None for a newer one or without a version.

    `version` is what a server reports, such as "2.51.0".
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) >= LAST_FIX:
        return None
    last = FAULTS[-1]
    return (
        f"Triton {version} lacks fixes of published faults, the last of them {last.cve} in "
        f"{LAST_FIX[0]}.{LAST_FIX[1]} ({LAST_FIX_RELEASE}); only samfleet's workers may reach it"
    )
