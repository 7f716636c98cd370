from __future__ import annotations

from datetime import UTC, datetime

import pytest

from samfleet.outbound.retry_after import wait_seconds

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("999999999", 999_999_999.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 14:00:30 +0200", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0661", None),  # a digit of another script
        ("9" * 10, None),
        ("soon", None),
        ("Sun, 01 Mar 99999999999999999999 12:00:30 GMT", None),
        ("Sun, 01 Mar 2026 12:00:30 +9999", None),
        ("Sun, 41 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_a_number_or_a_date_is_read(header: str, seconds: float | None) -> None:
    assert wait_seconds(header, NOW) == seconds
