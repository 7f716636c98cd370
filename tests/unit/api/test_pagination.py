from __future__ import annotations

import pytest

from samfleet_api.pagination import CursorInvalid, cut_page, decode_cursor, encode_cursor


def test_a_cursor_round_trips() -> None:
    cursor = encode_cursor("position", 2**62, "Größe")
    assert decode_cursor(cursor, tuple) == ("position", 2**62, "Größe")
    assert cursor.isascii()
    assert "=" not in cursor
    assert decode_cursor(None, tuple) is None


@pytest.mark.parametrize("cursor", ["", "!", "a", encode_cursor(2**63), encode_cursor("x")[:-1], "e30", "W251bGxd"])
def test_malformed_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(cursor, lambda parts: parts[0])


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(encode_cursor("one"), lambda parts: parts[1])
    with pytest.raises(CursorInvalid):
        decode_cursor(encode_cursor("one"), lambda parts: int(parts[0]))


def test_a_page_is_cut_at_the_limit() -> None:
    assert cut_page([1, 2, 3], 3, lambda row: (row,)) == ([1, 2, 3], None)
    assert cut_page([1, 2, 3], 2, lambda row: (row,)) == ([1, 2], encode_cursor(2))
    assert cut_page([], 2, lambda row: (row,)) == ([], None)
