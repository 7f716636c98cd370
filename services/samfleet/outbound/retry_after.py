"""The header `Retry-After` of replies (RFC 9110): a number of seconds, or a date."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_DIGITS = 9  # of seconds; a longer number is no time to wait


def wait_seconds(header: str, now: datetime | None = None) -> float | None:
    """Return how long a server asks to wait, at least 0; None without a header or if it cannot be read.

    `now` has a time zone and is by default this machine's clock.
    """
    text = header.strip()
    if text.isdecimal() and text.isascii():
        return float(text) if len(text) <= MOST_DIGITS else None
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a year of many digits
        return None
    if until.tzinfo is None:  # "-0000", or no zone at all: HTTP's dates are in GMT
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
