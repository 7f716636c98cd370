"""Figures of candidates with their evidence, and limits on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Evidence = Literal[
    "measured here", "measured at site", "measured elsewhere", "published", "counted", "record", "unknown"
]
Verdict = Literal["meets", "fails", "cannot tell", "unknown", "would meet", "would fail"]
MEASURED: frozenset[Evidence] = frozenset({"measured here", "measured at site", "measured elsewhere"})


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of figure. `at_most`: less is better, and a limit is an upper bound. `needs_interval`: its uncertainty can
    be computed, so a figure without an interval decides nothing.
    """

    title: str
    unit: str
    at_most: bool
    needs_interval: bool = False


MEASURES: Mapping[str, Measure] = {
    "latency": Measure("latency", "ms", at_most=True, needs_interval=True),
    "images_per_hour": Measure("images per device hour", "images/h", at_most=False, needs_interval=True),
    "cost": Measure("cost of 1000 images", "", at_most=True, needs_interval=True),
    "memory": Measure("memory", "bytes", at_most=True),
    "miou": Measure("mIoU", "", at_most=False),
    "ap": Measure("AP", "", at_most=False),
    "ar": Measure("AR of 1000 masks", "", at_most=False),
    "licence": Measure("licence", "", at_most=False),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its evidence; `value` None is unknown. `low` and `high` bound it with 95 % confidence.

    `n` counts `counted` (images or objects). `unit` is the measure's, or a currency. `where` names another machine or
    site, the source of a published figure, or the reason why it is unknown.
    """

    measure: str
    value: float | None = None
    evidence: Evidence = "unknown"
    n: int | None = None
    counted: str = "images"
    low: float | None = None
    high: float | None = None
    unit: str = ""
    where: str = ""

    @property
    def measured(self) -> bool:
        return self.value is not None and self.evidence in MEASURED


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint applied to a candidate. Without a `limit`, the figure must be measured, because it ranks."""

    measure: str
    verdict: Verdict
    figure: Figure
    limit: float | None = None
    words: str = ""


def judge(figure: Figure, limit: float | None) -> Verdict:
    """Compare a figure with a limit. Published figures never meet or fail it; they only would. A counted figure is the
    least that the measured one can be, so it only would fail.
    """
    if figure.value is None:
        return "unknown"
    if limit is None:
        return "meets" if figure.measured else "unknown"
    sign = 1 if MEASURES[figure.measure].at_most else -1
    inside = sign * figure.value <= sign * limit
    if not figure.measured:
        return "would fail" if not inside else "unknown" if figure.evidence == "counted" else "would meet"
    if figure.low is None or figure.high is None:
        decided = not MEASURES[figure.measure].needs_interval
    else:
        decided = (sign * figure.low <= sign * limit) == (sign * figure.high <= sign * limit)
    return ("meets" if inside else "fails") if decided else "cannot tell"
