from __future__ import annotations

from datetime import timedelta

from samfleet.webhooks.backoff import MOST, endpoint_delay, retry_delay


class Fixed:
    """Random numbers at one end of the range."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, a: float, b: float, /) -> float:
        return a + self.share * (b - a)


MIDDLE = Fixed(0.5)


def test_the_wait_triples_up_to_three_hours() -> None:
    seconds = [retry_delay(attempts, random=MIDDLE).total_seconds() for attempts in range(1, 11)]
    assert seconds == [5, 15, 45, 135, 405, 1215, 3645, 10800, 10800, 10800]
    assert retry_delay(10**6, random=MIDDLE) == MOST


def test_the_jitter_is_a_fifth_in_both_directions() -> None:
    assert retry_delay(1, random=Fixed(0)) == timedelta(seconds=4)
    assert retry_delay(1, random=Fixed(1)) == timedelta(seconds=6)
    assert timedelta(seconds=4) <= retry_delay(1) <= timedelta(seconds=6)


def test_a_receiver_can_ask_for_a_longer_wait_within_bounds() -> None:
    assert retry_delay(1, timedelta(minutes=1), MIDDLE) == timedelta(minutes=1)
    assert retry_delay(3, timedelta(seconds=1), MIDDLE) == timedelta(seconds=45)
    assert retry_delay(1, timedelta(days=400), MIDDLE) == MOST


def test_a_day_of_retries_is_about_fifteen_attempts() -> None:
    elapsed, attempts = timedelta(), 1
    while elapsed + retry_delay(attempts, random=MIDDLE) <= timedelta(days=1):
        elapsed += retry_delay(attempts, random=MIDDLE)
        attempts += 1
    assert attempts == 15


def test_a_failing_endpoint_rests_longer_and_longer_up_to_five_minutes() -> None:
    assert [endpoint_delay(failures).total_seconds() for failures in (1, 2, 8, 9, 10**6)] == [2, 4, 256, 300, 300]
