"""Stand-ins: hosted variants with random weights, to measure times where the real weights are missing.

Their names begin with `stand_in_`; `null` stands for any model. Their masks mean nothing, so reports leave out their
quality.
"""

from __future__ import annotations

PREFIX = "stand_in_"
NULL = "null"  # examples/variants/null.yaml


def stand_in_name(variant: str) -> str:
    return f"{PREFIX}{variant}"


def stands_for(name: str) -> str:
    """Return the variant whose architecture a stand-in has; other names are returned as they are."""
    return name.removeprefix(PREFIX)


def is_stand_in(name: str) -> bool:
    return name.startswith(PREFIX) or name == NULL
