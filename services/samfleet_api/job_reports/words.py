"""Figures in words: units by magnitude, one for each column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

NONE = "\N{EN DASH}"
SECOND_MS, MINUTE_MS = 1000.0, 60_000.0
SMALLEST = 0.1  # of a column
MINUTE, HOUR = 60, 3600  # seconds
SLOWEST_PER_SECOND = 0.5  # below it, a rate per second would begin with zeros


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a column; values are multiplied by `factor`."""

    name: str
    factor: float = 1.0

    def show(self, value: float | None, digits: int = 3) -> str:
        return NONE if value is None else significant(value * self.factor, digits)


def time_unit(values_ms: Iterable[float | None]) -> Unit:
    """Choose ms, s or min by the largest of the times in milliseconds, unless the smallest would begin with zeros."""
    known = [value for value in values_ms if value]
    least, most = min(known, default=0.0), max(known, default=0.0)
    for unit, length in (("min", MINUTE_MS), ("s", SECOND_MS)):
        if most >= length and least >= SMALLEST * length:
            return Unit(unit, 1 / length)
    return Unit("ms")


def rate_unit(per_second: Iterable[float | None]) -> Unit:
    """Choose images/s, images/min or images/h by the largest rate."""
    most = max((value for value in per_second if value is not None), default=0.0)
    if most >= SLOWEST_PER_SECOND or most == 0:
        return Unit("images/s")
    return Unit("images/min", MINUTE) if most * MINUTE >= SLOWEST_PER_SECOND else Unit("images/h", HOUR)


def significant(value: float, digits: int = 3) -> str:
    """Return the number with so many significant digits, at least all before the point, and separated thousands."""
    if value == 0:
        return "0"
    shown = float(f"{value:.{digits}g}") if abs(value) < 10**digits else round(value)
    return f"{shown:,.10f}".rstrip("0").rstrip(".")


def decimals(value: float | None, places: int = 3) -> str:
    return NONE if value is None else f"{value:.{places}f}"


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def counted(value: int, noun: str) -> str:
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def moment(value: datetime | None) -> str:
    return NONE if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{significant(seconds)} s"
    return f"{significant(seconds / MINUTE)} min" if seconds < 2 * HOUR else f"{significant(seconds / HOUR)} h"
