from __future__ import annotations

from samfleet.datasets.recipes.sample import sampled


def test_the_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    ids = range(1, 1001)
    assert sampled(ids, 5, 0) == sampled(list(reversed(ids)), 5, 0) == {87, 392, 404, 923, 942}
    assert sampled(ids, 5, 1) != sampled(ids, 5, 0)
    assert sampled(ids, 5, 0) < sampled(ids, 50, 0)


def test_a_large_limit_takes_all() -> None:
    assert sampled([3, 1], None, 0) == sampled([3, 1], 2, 0) == sampled([3, 1], 9, 7) == {1, 3}
