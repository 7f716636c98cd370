"""Result of a check of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """Result of a check. `remedy` is a command, or a sentence if no command helps. Warnings do not prevent a start."""

    name: str
    state: Literal["ok", "warning", "missing"]
    found: str
    remedy: str | None = None
