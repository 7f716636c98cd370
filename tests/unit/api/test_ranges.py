from __future__ import annotations

import pytest

from samfleet_api.ranges import RangeNotSatisfiable, matches, requested_range


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-", 0, 9),
        ("bytes=4-", 4, 9),
        ("bytes=9-", 9, 9),
        ("bytes=2-5", 2, 5),
        ("bytes=2-2", 2, 2),
        ("bytes=2-99999", 2, 9),
        ("bytes=-3", 7, 9),
        ("bytes=-99", 0, 9),
        ("BYTES= 1-2", 1, 2),
    ],
)
def test_a_range_is_cut_to_the_file(header: str, first: int, last: int) -> None:
    wanted = requested_range(header, 10)
    assert wanted is not None
    assert (wanted.first, wanted.last, wanted.length) == (first, last, last - first + 1)
    assert wanted.content_range == f"bytes {first}-{last}/10"


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=x-", "bytes=²-"],
)
def test_what_is_no_single_range_asks_for_the_whole_file(header: str | None) -> None:
    assert requested_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_without_a_byte_is_refused_with_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        requested_range(header, size)
    assert refused.value.size == size


@pytest.mark.parametrize(("tags", "expected"), [('"a"', True), ('W/"a", "b"', True), ("*", True), ('"b"', False)])
def test_entity_tags_match(tags: str, expected: bool) -> None:
    assert matches(tags, '"a"') is expected
    assert matches(None, '"a"') is False
