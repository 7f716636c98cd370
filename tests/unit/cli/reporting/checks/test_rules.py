"""Limits fail a check only beyond chance, and pair like with like."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from samfleet_cli.reporting.checks.baseline import Measurement
from samfleet_cli.reporting.checks.rules import Check, Limits, Outcome, check_measurements

FIVE = Limits(slowdown=0.05)


def measurement(p50_ms: float | None = 100.0, spread: float | None = 0.01, **values: Any) -> Measurement:
    """A measurement whose 95 % interval of the median reaches `spread` (a share) to both sides."""
    bounds = (None, None) if spread is None or p50_ms is None else (p50_ms / (1 + spread), p50_ms * (1 + spread))
    names = {"variant": "mobile_sam", "hardware": "NVIDIA L4", "precision": "bf16", "dataset": "val", "stage": "image"}
    more = {"task": "everything", "code_version": "1", "n": 500, "miou": 0.7, "instances": 900}
    return Measurement.model_validate(
        {**names, **more, "p50_ms": p50_ms, "low_ms": bounds[0], "high_ms": bounds[1], **values}
    )


def one(now: Measurement, before: Measurement, limits: Limits = FIVE) -> Check:
    (found,) = check_measurements([now], [before], limits)
    return found


@pytest.mark.parametrize(
    ("p50_ms", "spread", "outcome"),
    [
        (104.0, 0.01, Outcome.PASSED),
        (80.0, 0.01, Outcome.PASSED),
        (106.0, 0.01, Outcome.CANNOT_TELL),
        (110.0, 0.01, Outcome.FAILED),
        (110.0, 0.2, Outcome.CANNOT_TELL),
        (110.0, None, Outcome.CANNOT_TELL),
        (104.0, None, Outcome.PASSED),
    ],
)
def test_a_slowdown_fails_only_beyond_the_limit_and_beyond_chance(
    p50_ms: float, spread: float | None, outcome: Outcome
) -> None:
    assert one(measurement(p50_ms, spread), measurement()).outcome is outcome


def test_the_bound_is_that_of_the_ratio_of_two_uncertain_medians() -> None:
    found = one(measurement(120.0, 0.03), measurement(100.0, 0.04))
    spread = math.hypot(math.log(1.03), math.log(1.04)) / NormalDist().inv_cdf(0.975)
    assert found.ratio == pytest.approx(1.2)
    assert found.ratio_low == pytest.approx(1.2 * math.exp(-NormalDist().inv_cdf(0.975) * spread))


def test_equal_software_fails_a_check_of_many_pairs_in_at_most_a_fortieth() -> None:
    random = np.random.default_rng(7)
    checks, pairs, failures = 400, 20, 0
    for _ in range(checks):
        noisy = 100.0 * np.exp(0.02 * random.standard_normal((2, pairs)))
        spread = math.exp(1.96 * 0.02) - 1
        now, before = (
            [measurement(float(ms), spread, variant=str(number)) for number, ms in enumerate(side)] for side in noisy
        )
        found = check_measurements(now, before, Limits(slowdown=0.0))
        failures += any(check.outcome is Outcome.FAILED for check in found)
    assert 0 < failures <= 0.025 * checks + 3 * math.sqrt(0.025 * checks)


@pytest.mark.parametrize("name", ["variant", "hardware", "precision", "dataset", "task", "stage"])
def test_only_the_same_work_is_paired(name: str) -> None:
    found = one(measurement(200.0), measurement(100.0, 0.01, **{name: "another"}))
    assert (found.rule, found.outcome) == ("measured", Outcome.MISSING)


def test_another_version_of_the_code_is_paired() -> None:
    assert one(measurement(200.0, code_version="2"), measurement()).outcome is Outcome.FAILED


@pytest.mark.parametrize(("miou", "outcome"), [(0.65, Outcome.PASSED), (0.6499, Outcome.FAILED)])
def test_a_floor_of_quality_needs_no_baseline(miou: float, outcome: Outcome) -> None:
    (found,) = check_measurements([measurement(miou=miou)], [], Limits(miou=0.65))
    assert (found.rule, found.outcome) == ("min-miou", outcome)


@pytest.mark.parametrize(("miou", "outcome"), [(0.69, Outcome.PASSED), (0.6, Outcome.FAILED), (0.8, Outcome.PASSED)])
def test_a_drop_of_quality_is_measured_from_the_baseline(miou: float, outcome: Outcome) -> None:
    found = one(measurement(miou=miou), measurement(), Limits(miou_drop=0.02))
    assert (found.rule, found.outcome) == ("max-miou-drop", outcome)


def test_what_was_not_measured_is_not_checked() -> None:
    now = measurement(None, None, miou=None)
    assert check_measurements([now], [measurement()], Limits(0.05, 0.5, 0.01)) == []


def test_a_missing_measurement_fails_if_all_are_required() -> None:
    (found,) = check_measurements([], [measurement()], Limits(0.05, require_all=True))
    assert found.outcome is Outcome.FAILED
