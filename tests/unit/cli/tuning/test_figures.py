from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samfleet_cli.tuning.figures import Constraints, Figures, choose, closest, dominates, front
from samfleet_cli.tuning.points import Point

BASE = Figures(images=16, images_per_second=10.0, p50_ms=100.0, p95_ms=120.0, memory_bytes=2**30)
FEW = st.integers(1, 3)  # few values, so that ties are common


def point(number: int) -> Point:
    return Point("fp32", None, 8, 4 * (number + 1))


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    return Figures(
        images=16,
        images_per_second=float(draw(FEW)),
        p50_ms=float(draw(FEW)),
        p95_ms=float(draw(FEW)),
        memory_bytes=draw(FEW),
        agreement=draw(FEW) / 3,
        energy_j=draw(st.sampled_from([None, 1.0, 2.0])),
    )


def better_nowhere_worse(one: Figures, other: Figures) -> bool:
    """Dominance, written out."""
    no_worse = (
        one.images_per_second >= other.images_per_second
        and one.p50_ms <= other.p50_ms
        and one.p95_ms <= other.p95_ms
        and one.memory_bytes <= other.memory_bytes
        and one.agreement >= other.agreement
    )
    same = one.costs() == other.costs()
    if one.energy_j is None or other.energy_j is None:
        return no_worse and not same
    return no_worse and one.energy_j <= other.energy_j and not (same and one.energy_j == other.energy_j)


@settings(deadline=None)  # a busy machine takes longer now and then
@given(st.lists(figures(), max_size=8))
def test_the_front_is_exactly_the_set_that_nothing_dominates(found: list[Figures]) -> None:
    measured = {point(number): one for number, one in enumerate(found)}
    kept = front(measured)
    for candidate, one in measured.items():
        beaten = any(better_nowhere_worse(other, one) for other in found)
        assert (candidate in kept) is not beaten
    rates = [measured[one].images_per_second for one in kept]
    assert rates == sorted(rates, reverse=True)


@settings(deadline=None)  # a busy machine takes longer now and then
@given(figures(), figures())
def test_two_points_never_dominate_each_other(one: Figures, other: Figures) -> None:
    assert not (dominates(one, other) and dominates(other, one))
    assert not dominates(one, one)


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (Constraints(max_latency_ms=119.9), "p95 120 ms, wanted 119.9 ms"),
        (Constraints(max_memory_bytes=2**29), "memory 1024 MiB, wanted 512 MiB"),
        (Constraints(min_agreement=0.99), "agreement 0.9800, wanted 0.99"),
    ],
)
def test_a_broken_constraint_is_described(constraints: Constraints, words: str) -> None:
    assert constraints.broken(replace(BASE, agreement=0.98)) == [words]


def test_a_figure_at_its_limit_meets_it() -> None:
    limits = Constraints(max_latency_ms=120.0, max_memory_bytes=2**30, min_agreement=1.0)
    assert limits.broken(BASE) == []
    assert len(limits.broken(replace(BASE, p95_ms=float("nan"), agreement=float("nan")))) == 2


def test_of_points_that_are_as_quick_the_one_with_less_latency_is_chosen() -> None:
    measured = {
        point(0): replace(BASE, images_per_second=5.0, p95_ms=50.0),
        point(1): replace(BASE, images_per_second=9.9, p95_ms=80.0),
        point(2): BASE,
    }
    assert choose(measured, Constraints(), "throughput") == point(1)
    assert choose(measured, Constraints(), "latency") == point(0)
    assert choose(measured, Constraints(max_latency_ms=60.0), "throughput") == point(0)
    assert choose(measured, Constraints(max_latency_ms=10.0), "throughput") is None
    assert choose({}, Constraints(), "memory") is None


def test_points_that_are_alike_leave_the_one_with_fewer_images_in_flight() -> None:
    assert choose({point(3): BASE, point(1): BASE}, Constraints(), "throughput") == point(1)


def test_the_closest_point_breaks_the_fewest_constraints() -> None:
    limits = Constraints(max_latency_ms=1.0, max_memory_bytes=2**20)
    measured = {point(0): BASE, point(1): replace(BASE, memory_bytes=2**20, images_per_second=1.0)}
    assert closest(measured, limits) == [point(1), point(0)]
