from __future__ import annotations

import numpy as np
import pytest

from samfleet.estimates.figures import Figure, Sample, figure_of, sum_of, unknown, weighted_quantile

MEASURED = Figure(10.0, "measured", "2 earlier runs", low=8.0, high=16.0, runs=2, images=20)
DOCUMENTED = Figure(5.0, "documented", "documented bytes per image")


def test_quantiles_are_those_of_the_images_one_by_one() -> None:
    random = np.random.default_rng(5)
    samples = [Sample(float(random.uniform(1, 9)), int(random.integers(1, 40))) for _ in range(15)]
    images = np.repeat([sample.per_image for sample in samples], [sample.images for sample in samples])
    for share in (0.01, 0.1, 0.5, 0.9, 1.0):
        expected = np.quantile(images, share, method="inverted_cdf")
        assert weighted_quantile(samples, share) == pytest.approx(expected)


def test_a_small_run_does_not_move_a_figure() -> None:
    usual = [Sample(1.0, 500), Sample(1.2, 500)]
    figure = figure_of([*usual, Sample(60.0, 3)], "3 earlier runs")
    assert (figure.low, figure.value, figure.high) == (1.0, 1.2, 1.2)
    assert (figure.runs, figure.images) == (3, 1003)


def test_a_single_run_has_no_spread() -> None:
    figure = figure_of([Sample(2.0, 10)], "1 earlier run")
    assert (figure.value, figure.low, figure.high, figure.known) == (2.0, None, None, "measured")


def test_no_run_is_no_figure() -> None:
    with pytest.raises(ValueError, match="at least one"):
        figure_of([], "no run")


def test_a_figure_scales_with_its_spread() -> None:
    scaled = MEASURED.times(3)
    assert (scaled.value, scaled.low, scaled.high, scaled.images) == (30.0, 24.0, 48.0, 20)
    assert unknown("no run").times(3) == unknown("no run")


def test_a_sum_is_as_well_known_as_its_least_known_part() -> None:
    assert sum_of([MEASURED, MEASURED], "the time").value == 20.0
    assert (sum_of([MEASURED, MEASURED], "the time").low, sum_of([MEASURED, MEASURED], "the time").high) == (16.0, 32.0)
    mixed = sum_of([MEASURED, DOCUMENTED], "the size")
    assert (mixed.value, mixed.low, mixed.known) == (15.0, None, "documented")
    missing = sum_of([MEASURED, unknown("no run"), MEASURED], "the time")
    assert (missing.value, missing.known) == (None, "unknown")
    assert missing.source == "the time of 1 of 3 runs is not known yet"
    assert sum_of([unknown("no price is set for NVIDIA L4")] * 2, "the cost").source == "no price is set for NVIDIA L4"
