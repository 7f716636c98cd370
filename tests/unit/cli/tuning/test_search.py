from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samfleet_cli.tuning.double import FormulaBench
from samfleet_cli.tuning.figures import Constraints, Figures, dominates, front
from samfleet_cli.tuning.points import Point, points_of
from samfleet_cli.tuning.search import BudgetOver, Result, Results, Search, measured_of

IN_FLIGHT = (1, 2, 4, 8, 16)
ALL = points_of(["fp32", "bf16"], [None, 1], [1, 4, 8], IN_FLIGHT)


def line(execution: str = "fp32", batch_size: int = 8) -> list[Point]:
    return points_of([execution], [None], [batch_size], IN_FLIGHT)


def searched(bench: FormulaBench, points: list[Point], constraints: Constraints | None = None) -> Results:
    search = Search(bench, constraints or Constraints(), gain=0.0, margin=0.0)
    search.run(points)
    assert list(search.results) == points
    return search.results


@st.composite
def machines(draw: st.DrawFn) -> FormulaBench:
    first_ms = draw(st.floats(1.0, 1000.0))
    return FormulaBench(
        first_ms=first_ms,
        next_ms=first_ms * draw(st.floats(0.1, 1.5)),
        enough_in_flight=draw(st.sampled_from([1, 2, 4, 8])),
        cost_in_flight=draw(st.sampled_from([0.0, 0.02])),
        image_bytes=draw(st.sampled_from([0, 2**20])),
        speed={"bf16": draw(st.floats(0.5, 3.0))},
        agreements={"bf16": draw(st.sampled_from([1.0, 0.97, 0.9]))},
        rounds_of_a_point=draw(st.integers(1, 3)),
    )


@st.composite
def limits(draw: st.DrawFn) -> Constraints:
    return Constraints(
        max_latency_ms=draw(st.none() | st.floats(1.0, 5000.0)),
        max_memory_bytes=draw(st.none() | st.integers(200, 380)),
        min_agreement=draw(st.none() | st.sampled_from([0.95, 1.0])),
    )


def rises_once(bench: FormulaBench, points: list[Point]) -> bool:
    """Test the documented assumption on throughput, for a line of points by images in flight."""
    rates = [bench.figures(point).images_per_second for point in points]
    steps = [after > before for before, after in pairwise(rates)]
    return steps == sorted(steps, reverse=True)


@settings(deadline=None)  # a busy machine takes longer now and then
@given(machines(), limits())
def test_pruning_removes_nothing_of_the_true_front(bench: FormulaBench, constraints: Constraints) -> None:
    """Every point that meets the constraints is measured, or as good as one that is, or dominated by one."""
    lines = [[one for one in ALL if (one.execution, one.threads, one.batch_size) == key] for key in keys()]
    if not all(rises_once(bench, points) for points in lines):
        return
    everything = {point: bench.figures(point) for point in ALL}
    true_front = {everything[point].costs() for point in front(everything) if not constraints.broken(everything[point])}
    results = searched(bench, ALL, constraints)
    measured = measured_of(results)
    found = {figures.costs() for figures in measured.values() if not constraints.broken(figures)}
    assert true_front <= found
    for result in results.values():
        if result.status == "cut":
            assert any(dominates(other, bench.figures(result.point)) for other in measured.values())


def keys() -> set[tuple[str, int | None, int]]:
    return {(point.execution, point.threads, point.batch_size) for point in ALL}


def test_the_double_meets_the_assumption_with_plain_batches() -> None:
    assert all(rises_once(FormulaBench(cost_in_flight=0.02), line(batch_size=size)) for size in (1, 4, 8))


def test_images_in_flight_stop_where_they_gain_nothing() -> None:
    bench = FormulaBench(enough_in_flight=2)
    results = searched(bench, line(batch_size=1))
    assert [result.status for result in results.values()] == ["measured", "measured", "measured", "skipped", "skipped"]
    assert results[Point("fp32", None, 1, 16)].reason == "4 in flight gained no images per second over 2"


def test_a_limit_that_no_batch_reached_is_not_tried() -> None:
    results = searched(FormulaBench(), points_of(["fp32"], [None], [8, 4, 2], [2]))
    assert [result.status for result in results.values()] == ["measured", "skipped", "skipped"]
    assert "largest batch had 2" in (results[Point("fp32", None, 4, 2)].reason or "")


def test_an_engine_that_is_slower_is_not_tried_with_smaller_batches() -> None:
    bench = FormulaBench(enough_in_flight=1)
    results = searched(bench, points_of(["fp32"], [None, 1, 8], [8, 4, 1], [1, 2, 4]))
    reasons = {point: result.reason for point, result in results.items() if point.threads == 1 and point.batch_size < 8}
    assert "slower than fp32 with batches of 8" in (reasons[Point("fp32", 1, 1, 2)] or "")
    assert all("slower" in (reason or "") or "the same" in (reason or "") for reason in reasons.values())
    assert not any("slower" in (result.reason or "") for point, result in results.items() if point.threads == 8)


def test_a_point_behind_another_in_everything_is_cut_after_a_round() -> None:
    bench = FormulaBench(speed={"bf16": 0.5}, rounds_of_a_point=3)
    fast, slow = Point("fp32", None, 1, 1), Point("bf16", None, 1, 1)
    results = searched(bench, [fast, slow])
    assert bench.measured == [fast, fast, fast, slow]
    assert (results[slow].status, results[slow].reason) == ("cut", f"behind {fast.words} in everything")


def test_a_point_is_not_cut_after_its_last_round() -> None:
    bench = FormulaBench(speed={"bf16": 0.5}, rounds_of_a_point=1)
    results = searched(bench, [Point("fp32", None, 1, 1), Point("bf16", None, 1, 1)])
    assert {result.status for result in results.values()} == {"measured"}


def test_a_point_a_little_behind_is_measured_to_its_end() -> None:
    bench = FormulaBench(speed={"bf16": 0.97})
    search = Search(bench)
    search.run([Point("fp32", None, 1, 1), Point("bf16", None, 1, 1)])
    assert len(bench.measured) == 4
    assert {result.status for result in search.results.values()} == {"measured"}


@pytest.mark.parametrize(
    ("constraints", "kept"),
    [
        (Constraints(max_latency_ms=520.0), [1, 2, 4]),  # with batches of one, p95 is 100 ms times one more in flight
        (Constraints(max_memory_bytes=225 * 2**20), [1, 2, 4]),
        (Constraints(min_agreement=0.99), [1]),
    ],
)
def test_more_of_what_breaks_a_constraint_is_not_tried(constraints: Constraints, kept: list[int]) -> None:
    bench = FormulaBench(enough_in_flight=16, agreements={"bf16": 0.9})
    bench.speed = {"bf16": 1.0}
    execution = "bf16" if constraints.min_agreement else "fp32"
    results = searched(bench, line(execution, batch_size=1), constraints)
    tried = [point.in_flight for point, result in results.items() if result.status != "skipped"]
    assert tried[: len(kept)] == kept
    assert len(tried) <= len(kept) + 1  # the first that breaks it
    assert "breaks a constraint already" in (results[Point(execution, None, 1, 16)].reason or "")


def test_a_point_that_fails_does_not_end_the_search() -> None:
    noted: list[Result] = []
    search = Search(FormulaBench(broken={"bf16"}), on_result=noted.append)
    search.run([Point("bf16", None, 1, 1), Point("fp32", None, 1, 1)])
    assert [(one.status, one.reason) for one in noted] == [
        ("failed", "bf16 cannot be served here"),
        ("measured", None),
    ]


@dataclass
class Interrupted(FormulaBench):
    """Ends with the error at the round of this number."""

    error: type[BaseException] = KeyboardInterrupt
    at: int = 3
    closed: list[Point] = field(default_factory=list)

    def rounds(self, point: Point) -> Generator[Figures, None, None]:
        try:
            for figures in FormulaBench.rounds(self, point):
                if len(self.measured) == self.at:
                    raise self.error
                yield figures
        finally:
            self.closed.append(point)


def test_what_was_measured_before_an_interruption_is_kept() -> None:
    bench, points = Interrupted(), line(batch_size=1)[:3]
    search = Search(bench)
    with pytest.raises(KeyboardInterrupt):
        search.run(points)
    assert list(measured_of(search.results)) == points[:1]
    assert bench.closed == points[:2]
    again = FormulaBench()
    Search(again, results=search.results).run(points)
    assert set(again.measured) == set(points[1:])


def test_the_budget_ends_the_search_within_a_point_and_between_points() -> None:
    points = line(batch_size=1)[:3]
    within = Search(Interrupted(error=BudgetOver), is_over=lambda: False)
    within.run(points[:2])
    assert [result.status for result in within.results.values()] == ["measured", "left"]
    bench = FormulaBench()
    between = Search(bench, is_over=lambda: bool(bench.measured))
    between.run(points)
    assert [result.status for result in between.results.values()] == ["measured", "left", "left"]
    bench.measured.clear()
    Search(bench, results=between.results).run(points)  # the same command goes on
    assert {result.status for result in between.results.values()} == {"measured"}


def test_a_point_without_timed_images_fails() -> None:
    search = Search(FormulaBench(rounds_of_a_point=0))
    search.run([Point("fp32", None, 1, 1)])
    (result,) = search.results.values()
    assert result.status == "failed"
