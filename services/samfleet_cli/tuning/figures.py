"""Figures of a point and their comparison: dominance, the Pareto front, constraints, and the choice of one point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from samfleet_cli.tuning.points import Point

Preference = Literal["throughput", "latency", "memory"]
ALIKE = 0.02  # figures that differ by less, relative to the larger one, are no reason to prefer a point


@dataclass(frozen=True, slots=True)
class Figures:
    """Measured figures of a point, over all its rounds.

    `p50_ms` and `p95_ms` are of the time from the request to Triton until its reply, with the fetch of the image.
    `memory_bytes` is the peak: what torch reserved on a GPU, the resident size of the variant's process on a CPU.
    `agreement` is the share of masks that have a partner in the baseline's, as in a gate; `same_masks` says that all
    are equal pixel by pixel. `energy_j` is of one image; None without a counter. `largest_batch` counts images.
    """

    images: int
    images_per_second: float
    p50_ms: float
    p95_ms: float
    memory_bytes: int
    agreement: float = 1.0
    same_masks: bool = True
    energy_j: float | None = None
    largest_batch: int = 1

    def costs(self) -> tuple[float, ...]:
        """Return the objectives, each better if it is lower. Energy is compared only where both points know it."""
        return (-self.images_per_second, self.p50_ms, self.p95_ms, float(self.memory_bytes), -self.agreement)


@dataclass(frozen=True, slots=True)
class Constraints:
    """Limits of the wanted settings; None: no limit. `max_latency_ms` is of the 95th percentile."""

    max_latency_ms: float | None = None
    max_memory_bytes: int | None = None
    min_agreement: float | None = None

    def broken(self, figures: Figures) -> list[str]:
        """Describe the constraints that the figures do not meet."""
        found = []
        if self.max_latency_ms is not None and not figures.p95_ms <= self.max_latency_ms:
            found.append(f"p95 {number_words(figures.p95_ms)} ms, wanted {self.max_latency_ms:g} ms")
        if self.max_memory_bytes is not None and not figures.memory_bytes <= self.max_memory_bytes:
            found.append(f"memory {_mib(figures.memory_bytes)}, wanted {_mib(self.max_memory_bytes)}")
        if self.min_agreement is not None and not figures.agreement >= self.min_agreement:
            found.append(f"agreement {figures.agreement:.4f}, wanted {self.min_agreement:g}")
        return found


def dominates(one: Figures, other: Figures) -> bool:
    """Test whether `one` is no worse in every objective and better in at least one."""
    pairs = list(zip(one.costs(), other.costs(), strict=True))
    if one.energy_j is not None and other.energy_j is not None:
        pairs.append((one.energy_j, other.energy_j))
    return all(mine <= theirs for mine, theirs in pairs) and any(mine < theirs for mine, theirs in pairs)


def front(measured: Mapping[Point, Figures]) -> list[Point]:
    """Return the points that no other one dominates, with the highest throughput first."""
    kept = [
        point
        for point, figures in measured.items()
        if not any(dominates(other, figures) for other in measured.values())
    ]
    return sorted(kept, key=lambda point: (-measured[point].images_per_second, point.key))


def clearly_behind(one: Figures, other: Figures, margin: float) -> bool:
    """Test whether `one` is worse in throughput and both latencies by more than `margin`, and better in nothing."""
    worse = (
        one.images_per_second < other.images_per_second * (1 - margin)
        and one.p50_ms > other.p50_ms * (1 + margin)
        and one.p95_ms > other.p95_ms * (1 + margin)
    )
    return worse and dominates(other, one)


def choose(measured: Mapping[Point, Figures], constraints: Constraints, prefer: Preference) -> Point | None:
    """Return the point to use: of those that meet the constraints and are as good as the best in the preferred figure,
    the best in the other figures. None if no point meets them.
    """
    allowed = {point: figures for point, figures in measured.items() if not constraints.broken(figures)}
    left = list(allowed)
    for figure in _order(prefer):
        left = _best(left, allowed, figure)
    return min(left, key=lambda point: (point.in_flight, point.batch_size, point.key), default=None)


def closest(measured: Mapping[Point, Figures], constraints: Constraints) -> list[Point]:
    """Return the measured points, those that break the fewest constraints first."""
    return sorted(
        measured,
        key=lambda point: (len(constraints.broken(measured[point])), -measured[point].images_per_second, point.key),
    )


def _order(prefer: Preference) -> Sequence[int]:
    """Return the objectives by their importance, as positions in `Figures.costs`."""
    throughput, p95, memory, agreement = 0, 2, 3, 4
    first = {"throughput": throughput, "latency": p95, "memory": memory}[prefer]
    return (first, *(one for one in (throughput, p95, agreement, memory) if one != first))


def _best(points: Iterable[Point], measured: Mapping[Point, Figures], figure: int) -> list[Point]:
    costs = {point: measured[point].costs()[figure] for point in points}
    least = min(costs.values(), default=0.0)
    return [point for point, cost in costs.items() if cost <= least + ALIKE * abs(least)]


def number_words(value: float) -> str:
    """Return the number with four digits, or all digits before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"
