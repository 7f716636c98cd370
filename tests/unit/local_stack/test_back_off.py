from __future__ import annotations

import pytest

from samfleet_cli.local_stack.child import BackOff


def test_the_delay_doubles_up_to_the_maximum() -> None:
    back_off = BackOff(first_seconds=0.5, factor=2, longest_seconds=30)

    assert [back_off.delay_seconds(failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_the_delay_stays_finite_after_thousands_of_failures() -> None:
    assert BackOff().delay_seconds(10_000) == 30


@pytest.mark.parametrize(("lived_seconds", "failures"), [(0.1, 8), (59.9, 8), (60.0, 1), (3600, 1)])
def test_the_back_off_resets_after_a_long_uptime(lived_seconds: float, failures: int) -> None:
    assert BackOff(healthy_seconds=60).failures(7, lived_seconds) == failures


@pytest.mark.parametrize(
    ("failures", "was_ready", "gives_up"), [(4, False, False), (5, False, True), (5, True, False), (500, True, False)]
)
def test_only_a_part_that_was_never_ready_fails_for_good(failures: int, was_ready: bool, gives_up: bool) -> None:
    assert BackOff(attempts_before_ready=5).gives_up(failures, was_ready) is gives_up
