"""Search over points: what is measured, in which order, and what need not be measured.

The rules assume this of any stack, and `docs/tune.md` states it:

- With more images in flight, other settings equal, latencies and memory do not fall. Throughput rises up to a number
  of images in flight and never rises again after it.
- Larger batches need no less memory.
- Batches and images in flight do not change how far masks agree.
- A limit that no batch reached has no effect.
- An engine, which is an execution with a number of threads, that is slower than another with the largest batches is so
  with smaller ones, and needs no less memory there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Literal, Protocol

from samfleet.errors import SamfleetError
from samfleet_cli.tuning.figures import Constraints, Figures, clearly_behind
from samfleet_cli.tuning.points import Point

Status = Literal["measured", "cut", "skipped", "failed", "left"]
GAIN = 0.02  # of throughput: a step with less counts as none
MARGIN = 0.05  # by which a point must be behind after a round before it is cut: rounds differ by a few per cent


class PointFailed(SamfleetError):
    """A point could not be measured; the message has the reason."""

    code = "tune_point_failed"


class BudgetOver(SamfleetError):
    """The time of `--budget` is over."""

    code = "tune_budget_over"


class Bench(Protocol):
    """Measures points, each in `rounds_of_a_point` rounds."""

    rounds_of_a_point: int

    def rounds(self, point: Point) -> Generator[Figures, None, None]:
        """Yield the figures over all rounds so far, after each round.

        The caller may close the generator before its end, which ends the measurement. Raises `PointFailed`, and
        `BudgetOver` within a round.
        """
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of a point. Figures of a `cut` point are of its first rounds; `reason` is for all but `measured`."""

    point: Point
    status: Status
    figures: Figures | None = None
    reason: str | None = None


Results = dict[Point, Result]


def measured_of(results: Mapping[Point, Result], *, cut: bool = False) -> dict[Point, Figures]:
    """Return the figures of the measured points, with `cut` also of those that were cut."""
    wanted = {"measured", "cut"} if cut else {"measured"}
    return {
        point: result.figures
        for point, result in results.items()
        if result.status in wanted and result.figures is not None
    }


@dataclass(slots=True)
class Search:
    """Measures points one after the other. `results` has the known results, and receives each new one before
    `on_result` is called; `is_over` tells whether the budget is used up.
    """

    bench: Bench
    constraints: Constraints = field(default_factory=Constraints)
    results: Results = field(default_factory=dict)
    on_result: Callable[[Result], None] = lambda _result: None
    is_over: Callable[[], bool] = lambda: False
    gain: float = GAIN
    margin: float = MARGIN

    def run(self, points: Iterable[Point]) -> None:
        """Measure the points that are neither measured, cut, nor excluded by a rule."""
        for point in points:
            known = self.results.get(point)
            if known is None or known.status not in {"measured", "cut"}:
                self._note(self._result(point))

    def _result(self, point: Point) -> Result:
        if reason := reason_to_skip(point, self.results, self.constraints, self.gain, self.margin):
            return Result(point, "skipped", reason=reason)
        if self.is_over():
            return Result(point, "left", reason="the budget was over")
        try:
            return self._measure(point)
        except BudgetOver as error:
            return Result(point, "left", reason=error.message)
        except PointFailed as error:
            return Result(point, "failed", reason=error.message)

    def _measure(self, point: Point) -> Result:
        finished = measured_of(self.results)
        figures = None
        with closing(self.bench.rounds(point)) as rounds:
            for number, figures in enumerate(rounds, 1):
                ahead = (other for other, theirs in finished.items() if clearly_behind(figures, theirs, self.margin))
                if number < self.bench.rounds_of_a_point and (other := next(ahead, None)):
                    return Result(point, "cut", figures, f"behind {other.words} in everything")
        if figures is None:
            raise PointFailed(f"{point.words}: no image was timed")
        return Result(point, "measured", figures)

    def _note(self, result: Result) -> None:
        self.results[result.point] = result
        self.on_result(result)


def reason_to_skip(
    point: Point,
    results: Mapping[Point, Result],
    constraints: Constraints,
    gain: float = GAIN,
    margin: float = MARGIN,
) -> str | None:
    """Return why the point need not be measured; None if it has to be."""
    measured = measured_of(results, cut=True)
    same_engine = {
        other: figures
        for other, figures in measured.items()
        if (other.execution, other.threads) == (point.execution, point.threads)
    }
    reasons = chain(_reasons(point, same_engine, constraints, gain), _slower(point, same_engine, measured, margin))
    return next(reasons, None)


def _reasons(
    point: Point, same_engine: Mapping[Point, Figures], constraints: Constraints, gain: float
) -> Iterator[str]:
    """Yield reasons from other points of the same execution and threads."""
    yield from _without_effect(point, same_engine)
    yield from _excluded(point, same_engine, constraints)
    line = {other.in_flight: figures for other, figures in same_engine.items() if other.batch_size == point.batch_size}
    yield from _saturated({images: line[images] for images in sorted(line) if images < point.in_flight}, gain)


def _without_effect(point: Point, same_engine: Mapping[Point, Figures]) -> Iterator[str]:
    for other, figures in same_engine.items():
        reached = figures.largest_batch
        if other.in_flight == point.in_flight and reached <= min(other.batch_size, point.batch_size):
            yield f"the same as {other.words}: its largest batch had {reached}"


def _excluded(point: Point, same_engine: Mapping[Point, Figures], constraints: Constraints) -> Iterator[str]:
    """Yield reasons why the point breaks a constraint, because a point with less of a setting breaks it."""
    for other, figures in same_engine.items():
        less = other.in_flight <= point.in_flight
        limits = Constraints(
            max_latency_ms=constraints.max_latency_ms if less and other.batch_size == point.batch_size else None,
            max_memory_bytes=constraints.max_memory_bytes if less and other.batch_size <= point.batch_size else None,
            min_agreement=constraints.min_agreement,
        )
        for broken in limits.broken(figures):
            yield f"{other.words} breaks a constraint already: {broken}"


def _saturated(line: Mapping[int, Figures], gain: float) -> Iterator[str]:
    """Yield a reason if a step along the line, by images in flight in rising order, gained no throughput."""
    steps = list(line.items())
    for (fewer, before), (more, after) in pairwise(steps):
        if after.images_per_second <= before.images_per_second * (1 + gain):
            yield f"{more} in flight gained no images per second over {fewer}"


def _slower(
    point: Point, same_engine: Mapping[Point, Figures], measured: Mapping[Point, Figures], margin: float
) -> Iterator[str]:
    """Yield a reason if another engine is ahead of the point's wherever both were measured with larger batches."""
    larger = max((other.batch_size for other in same_engine), default=0)
    if larger <= point.batch_size:
        return
    own = {other.in_flight: figures for other, figures in same_engine.items() if other.batch_size == larger}
    for execution, threads in dict.fromkeys((other.execution, other.threads) for other in measured):
        others = {images: measured.get(Point(execution, threads, larger, images)) for images in own}
        if all(other is not None and clearly_behind(own[images], other, margin) for images, other in others.items()):
            faster = Point(execution, threads, larger, 1).engine
            yield f"{point.engine} is slower than {faster} with batches of {larger}"
