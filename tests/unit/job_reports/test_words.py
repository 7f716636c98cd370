from __future__ import annotations

from datetime import UTC, datetime

import pytest

from samfleet_api.job_reports import words


@pytest.mark.parametrize(
    ("values", "name", "first"),
    [
        ([4.2, None], "ms", "4.2"),
        ([1500.0, 200.0], "s", "1.5"),
        ([1500.0, 20.0], "ms", "1,500"),
        ([180_000.0], "min", "3"),
        ([], "ms", None),
    ],
)
def test_a_column_of_times_has_one_unit(values: list[float | None], name: str, first: str | None) -> None:
    unit = words.time_unit(values)
    assert unit.name == name
    assert first is None or unit.show(values[0]) == first


@pytest.mark.parametrize(
    ("rate", "name", "shown"),
    [(21.4, "images/s", "21.4"), (0.1, "images/min", "6"), (0.002, "images/h", "7.2")],
)
def test_a_column_of_rates_has_one_unit(rate: float, name: str, shown: str) -> None:
    unit = words.rate_unit([rate, None])
    assert (unit.name, unit.show(rate)) == (name, shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.0012345, "0.00123"), (12.345, "12.3"), (999.6, "1,000"), (146_901.4, "146,901"), (120.0, "120")],
)
def test_numbers_have_three_significant_digits(value: float, shown: str) -> None:
    assert words.significant(value) == shown


def test_a_missing_figure_is_a_dash() -> None:
    assert words.Unit("ms").show(None) == words.decimals(None) == words.count(None) == words.moment(None) == words.NONE


def test_moments_are_in_utc() -> None:
    assert words.moment(datetime(2026, 11, 22, 9, 5, tzinfo=UTC)) == "2026-11-22 09:05 UTC"


@pytest.mark.parametrize(("seconds", "shown"), [(12.34, "12.3 s"), (600.0, "10 min"), (9000.0, "2.5 h")])
def test_durations_are_in_the_largest_unit_that_reads_well(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown
