"""Geometry of the charts, in units of their view boxes; the template draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from samfleet.reports.table import Row
from samfleet_api.job_reports.measurements import Measured
from samfleet_api.job_reports.words import significant, time_unit

WIDTH, HEIGHT = 800, 380
LEFT, RIGHT, TOP, BOTTOM = 60, 170, 16, 44  # margins; names of points stand right of them
LEAST_RATIO = 1.25  # of the ends of a logarithmic axis
BAR_WIDTH = 560
MARKS = 7  # colours
QUEUE = "queue"
FEWEST_TICKS, MOST_TICKS = 2, 7


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    name: str
    words: str
    dominated: bool
    colour: int
    label_y: float


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Scatter:
    points: Sequence[Point]
    front: str
    across: Sequence[Tick]
    up: Sequence[Tick]
    machines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Bar:
    """Stages of one row, each (name, start, length, words); `total` is their sum in words."""

    name: str
    parts: Sequence[tuple[str, float, float, str]]
    end: float
    total: str


def scatter(rows: Sequence[Row]) -> Scatter | None:
    """Place the points of a Pareto report, mIoU against images per device hour; None without points."""
    if not rows:
        return None
    machines = sorted({row["hardware"] or "" for row in rows})
    xs, ys = [row["images_per_gpu_hour"] for row in rows], [row["miou"] for row in rows]
    low_x, high_x = min(xs) / LEAST_RATIO, max(xs) * LEAST_RATIO
    air = max((max(ys) - min(ys)) * 0.15, 0.01)
    low_y, high_y = max(0.0, min(ys) - air), min(1.0, max(ys) + air)

    def at_x(value: float) -> float:
        return LEFT + math.log(value / low_x) / math.log(high_x / low_x) * (WIDTH - LEFT - RIGHT)

    def at_y(value: float) -> float:
        share: float = (value - low_y) / (high_y - low_y)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    placed = [(at_x(x), at_y(y)) for x, y in zip(xs, ys, strict=True)]
    points = [
        Point(x, y, row["variant"], _words(row), row["dominated"], machines.index(row["hardware"] or "") % MARKS, label)
        for row, (x, y), label in zip(rows, placed, _apart([y for _, y in placed]), strict=True)
    ]
    front = sorted((point.x, point.y) for point in points if not point.dominated)
    across = [Tick(at_x(value), significant(value)) for value in _log_ticks(low_x, high_x)]
    up = [Tick(at_y(value), f"{value:.2f}") for value in _linear_ticks(low_y, high_y)]
    return Scatter(points, _steps(front), across, up, machines)


def _words(row: Row) -> str:
    rate = significant(row["images_per_gpu_hour"])
    kind = "dominated" if row["dominated"] else "on the Pareto front"
    return f"{row['variant']} on {row['hardware']}: mIoU {row['miou']:.3f}, {rate} images per device hour, {kind}"


def _apart(ys: Sequence[float], least: float = 13.0) -> list[float]:
    """Return places for labels near `ys` that are at least `least` apart."""
    placed = [0.0] * len(ys)
    last = -math.inf
    for index in sorted(range(len(ys)), key=ys.__getitem__):
        last = placed[index] = max(ys[index], last + least)
    return placed


def _steps(front: Sequence[tuple[float, float]]) -> str:
    """Return the step line: the best quality that is available at each speed."""
    corners: list[tuple[float, float]] = []
    for x, y in front:
        if corners:
            corners.append((corners[-1][0], y))
        corners.append((x, y))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if FEWEST_TICKS <= len(inside) <= MOST_TICKS:
            return inside
    return [low * LEAST_RATIO, high / LEAST_RATIO]


def _linear_ticks(low: float, high: float) -> list[float]:
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / step < MOST_TICKS)
    return [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def stage_bars(rows: Sequence[Measured]) -> Sequence[Bar]:
    """Return a bar of mean times for each row, all on one scale.

    The queue is left out: an image's wait depends on the images before it.
    """
    worked = [[(name, stage["mean_ms"] or 0.0) for name, stage in row.stages if name != QUEUE] for row in rows]
    sums = [sum(ms for _, ms in stages) for stages in worked]
    unit, most = time_unit(sums), max(sums, default=0.0)
    bars = []
    for row, stages, total in zip(rows, worked, sums, strict=True):
        parts, start = [], 0.0
        for name, ms in stages:
            length = ms / most * BAR_WIDTH if most else 0.0
            parts.append((name, start, length, f"{name}: {unit.show(ms)} {unit.name}"))
            start += length
        bars.append(Bar(f"{row.variant} on {row.hardware}", parts, start, f"{unit.show(total)} {unit.name}"))
    return bars
