from __future__ import annotations

import json
import os
from typing import Any

import pytest
import zstandard

from samfleet.storage.jsonl import PartFileDamaged, read_jsonl_zst, write_jsonl_zst
from samfleet.storage.memory_store import MemoryStore

ROWS: list[dict[str, Any]] = [
    {"image_id": index, "name": "日本\n\u2028", "noise": os.urandom(200).hex(), "iou": 0.1 + 0.2}
    for index in range(5000)
]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_rows_round_trip(store: MemoryStore, count: int) -> None:
    size = write_jsonl_zst(store, "part", iter(ROWS[:count]))
    assert size == store.size("part")
    assert list(read_jsonl_zst(store, "part")) == ROWS[:count]


def test_the_file_is_plain_zstd_jsonl(store: MemoryStore) -> None:
    write_jsonl_zst(store, "part", ROWS[:2])
    text = zstandard.ZstdDecompressor().decompressobj().decompress(store.get("part")).decode()
    assert [json.loads(line) for line in text.strip("\n").split("\n")] == ROWS[:2]


def test_joined_parts_read_as_one(store: MemoryStore) -> None:
    write_jsonl_zst(store, "a", ROWS[:10])
    write_jsonl_zst(store, "b", [])
    write_jsonl_zst(store, "c", ROWS[10:20])
    store.put("all", store.get("a") + store.get("b") + store.get("c"))
    assert list(read_jsonl_zst(store, "all")) == ROWS[:20]


def test_every_truncation_is_detected(store: MemoryStore) -> None:
    write_jsonl_zst(store, "part", ROWS[:3])
    whole = store.get("part")
    for length in range(len(whole)):
        store.put("cut", whole[:length])
        with pytest.raises(PartFileDamaged, match="cut"):
            list(read_jsonl_zst(store, "cut"))


def test_a_flipped_bit_is_detected(store: MemoryStore) -> None:
    write_jsonl_zst(store, "part", ROWS)
    data = bytearray(store.get("part"))
    data[len(data) // 2] ^= 1
    store.put("part", bytes(data))
    with pytest.raises(PartFileDamaged, match="part"):
        list(read_jsonl_zst(store, "part"))


def test_a_file_without_its_last_bytes_is_refused(store: MemoryStore) -> None:
    write_jsonl_zst(store, "part", ROWS)
    store.put("part", store.get("part")[:-4])
    with pytest.raises(PartFileDamaged, match="truncated"):
        list(read_jsonl_zst(store, "part"))


def test_rows_that_are_not_json_are_refused(store: MemoryStore) -> None:
    store.put("part", zstandard.compress(b"{oops\n"))
    with pytest.raises(PartFileDamaged, match="not JSON"):
        list(read_jsonl_zst(store, "part"))


def test_a_number_that_json_lacks_becomes_null(store: MemoryStore) -> None:
    write_jsonl_zst(store, "part", [{"iou": float("nan"), "area": float("inf"), "score": 0.1}])
    assert list(read_jsonl_zst(store, "part")) == [{"iou": None, "area": None, "score": 0.1}]
