from __future__ import annotations

import io
import json
from typing import Any

import pytest

from samfleet.datasets import json_array
from samfleet.datasets.json_array import JsonArrayInvalid, iter_json_array


@pytest.fixture(params=[1, 3, 7, 2**20])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(json_array, "WINDOW_BYTES", request.param)
    return int(request.param)


def entries(text: str | bytes) -> list[Any]:
    return list(iter_json_array(io.BytesIO(text.encode() if isinstance(text, str) else text)))


@pytest.mark.parametrize("values", [[], [1], [12345, -1.5e10], [{"a": [1, "]"]}, None, True, "Größe,"], [[], [[]]]])
def test_every_window_size_parses_like_json(window: int, values: list[Any]) -> None:
    for text in (json.dumps(values), json.dumps(values, indent=1, ensure_ascii=False) + "\n "):
        assert entries(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a JSON list"),
        ("{}", "must be a JSON list"),
        ("[", "is not JSON in entry 0"),
        ("[1", "has the end of the file after entry 0"),
        ("[1 2]", "has '2' after entry 0"),
        ("[1,]", "is not JSON in entry 1"),
        ("[{1: 2}]", "is not JSON in entry 0: Expecting property name"),
        ("[1] 2", "continues after the end"),
        ("[1, NaN]", "has NaN in entry 1"),
        (b'["\xff"]', "is not UTF-8"),
        ("[1" + "0" * 5000 + "]", "is not JSON in entry 0"),
        ("[" * 100_000, "nested too deeply in entry 0"),
    ],
)
def test_malformed_input_is_refused_with_the_reason(text: str | bytes, message: str) -> None:
    with pytest.raises(JsonArrayInvalid, match=message):
        entries(text)


def test_entries_are_yielded_before_the_rest_is_read() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"[1, 2" if not self.read_before() else b", 3" * 10

        def read_before(self) -> bool:
            seen = getattr(self, "_seen", False)
            self._seen = True
            return seen

    found = iter_json_array(Endless())  # type: ignore[arg-type]  # all that is used of a file
    assert [next(found) for _ in range(40)] == [1, 2] + [3] * 38


def test_a_broken_entry_fails_without_reading_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "WINDOW_BYTES", 8)
    monkeypatch.setattr(json_array, "MOST_CHARACTERS", 64)
    file = io.BytesIO(b'[{"a": x' + b" " * 1000)
    with pytest.raises(JsonArrayInvalid, match="entry 0"):
        list(iter_json_array(file))
    assert file.tell() < 100
