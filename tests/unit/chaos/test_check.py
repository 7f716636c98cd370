"""The checks of the chaos suite find each kind of damage in doctored data."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.suite.check import find_faults
from chaos.suite.evidence import Evidence, RowFacts, RunFacts, ShardFacts, read_parts
from samfleet.jobs.parts import part_key
from samfleet.storage.file_store import FileStore
from samfleet.storage.jsonl import write_jsonl_zst

IMAGES = (101, 102, 103, 104, 105, 106)
MASKS = 2
RUNS = tuple(uuid.UUID(int=number) for number in (1, 2))
SHARDS = tuple((run, first) for run in RUNS for first in range(0, len(IMAGES), 3))


def line(image: int, **changes: Any) -> dict[str, Any]:
    return {"dataset_image_id": image, "outcome": "succeeded", "masks": [{}] * MASKS, **changes}


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path)
    for run, first in SHARDS:
        write_jsonl_zst(store, part_key(run, first // 3, 1), map(line, IMAGES[first : first + 3]))
    return store


@pytest.fixture
def evidence(store: FileStore) -> Evidence:
    shards = tuple(
        ShardFacts(number, run, "done", first, first + 2, 0, 1, 0, part_key(run, first // 3, 1))
        for number, (run, first) in enumerate(SHARDS)
    )
    rows = tuple(
        RowFacts(shard.run_id, image, shard.id, "succeeded", str(shard.part), place, MASKS)
        for shard in shards
        for place, image in enumerate(IMAGES[shard.first : shard.last + 1])
    )
    count = len(IMAGES)
    runs = tuple(
        RunFacts(run, f"variant {run.int}", "completed", count, count, 0, MASKS * count, count) for run in RUNS
    )
    parts = read_parts(store, (str(shard.part) for shard in shards))
    return Evidence("completed", IMAGES, runs, shards, rows, parts, tuple(found.key for found in store.list("runs/")))


def test_a_right_job_has_no_faults(evidence: Evidence) -> None:
    assert find_faults(evidence) == []


def test_a_missing_row_is_found(evidence: Evidence) -> None:
    faults = find_faults(replace(evidence, rows=evidence.rows[1:]))
    assert "rows: variant 1 has no row of image 101" in faults
    assert "counters: variant 1 counts 6 images, and its rows 5" in faults


def test_a_doubled_row_is_found(evidence: Evidence) -> None:
    faults = find_faults(replace(evidence, rows=(*evidence.rows, evidence.rows[-1])))
    assert "rows: variant 2 has 2 rows of image 106, and 1 are right" in faults


def test_a_row_of_an_unknown_image_is_found(evidence: Evidence) -> None:
    faults = find_faults(replace(evidence, rows=(*evidence.rows, replace(evidence.rows[0], image=999))))
    assert "rows: variant 1 has 1 rows of image 999, and 0 are right" in faults


@pytest.mark.parametrize("kept", [0, 10, -1], ids=["empty", "ten bytes", "one byte short"])
def test_a_truncated_part_is_found(evidence: Evidence, store: FileStore, kept: int) -> None:
    key = str(evidence.shards[2].part)
    store.put(key, store.get(key)[:kept])
    (fault,) = find_faults(replace(evidence, parts=read_parts(store, evidence.parts)))
    assert fault.startswith(f"parts: part {key} cannot be read: ")
    assert "truncated" in fault


def test_a_missing_part_is_found(evidence: Evidence, store: FileStore) -> None:
    key = str(evidence.shards[0].part)
    store.delete(key)
    (fault,) = find_faults(replace(evidence, parts=read_parts(store, evidence.parts)))
    assert fault.startswith(f"parts: part {key} cannot be read: ")


def test_a_part_without_its_last_line_is_found(evidence: Evidence, store: FileStore) -> None:
    key = str(evidence.shards[0].part)
    write_jsonl_zst(store, key, map(line, IMAGES[:2]))
    faults = find_faults(replace(evidence, parts=read_parts(store, evidence.parts)))
    assert [fault.partition(":")[0] for fault in faults] == ["parts", "lines"]


def test_lines_in_another_order_are_found(evidence: Evidence, store: FileStore) -> None:
    key = str(evidence.shards[0].part)
    write_jsonl_zst(store, key, map(line, (102, 101, 103)))
    faults = find_faults(replace(evidence, parts=read_parts(store, evidence.parts)))
    assert [fault.partition(":")[0] for fault in faults] == ["parts", "lines", "lines"]


@pytest.mark.parametrize("counter", ["total", "succeeded", "failed", "masks", "rolled_up"])
def test_a_wrong_counter_is_found(evidence: Evidence, counter: str) -> None:
    first, *others = evidence.runs
    wrong = replace(first, **{counter: getattr(first, counter) + 1})
    (fault,) = find_faults(replace(evidence, runs=(wrong, *others)))
    assert fault.startswith("counters: variant 1 counts ")


def test_a_failed_image_is_found(evidence: Evidence) -> None:
    rows = (replace(evidence.rows[0], outcome="failed"), *evidence.rows[1:])
    assert "counters: 1 images of variant 1 failed" in find_faults(replace(evidence, rows=rows))


def test_a_row_that_names_another_part_is_found(evidence: Evidence) -> None:
    rows = (replace(evidence.rows[0], part=str(evidence.shards[1].part)), *evidence.rows[1:])
    (fault,) = find_faults(replace(evidence, rows=rows))
    assert fault.startswith("lines: the row of image 101 names part ")


def test_a_shard_that_is_not_done_and_a_gap_are_found(evidence: Evidence) -> None:
    shards = (replace(evidence.shards[0], state="leased"), *evidence.shards[1:])
    assert [fault.partition(":")[0] for fault in find_faults(replace(evidence, shards=shards))] == ["states"]
    short = replace(evidence, shards=(replace(evidence.shards[0], last=1), *evidence.shards[1:]))
    assert "shards: the shards of variant 1 do not cover each of 6 positions once" in find_faults(short)


def test_a_job_that_did_not_complete_is_found(evidence: Evidence) -> None:
    assert find_faults(replace(evidence, state="failed")) == ["states: the job is failed"]


def test_an_orphan_is_found(evidence: Evidence) -> None:
    orphan = part_key(RUNS[0], 0, 7)
    faults = find_faults(replace(evidence, stored=(*evidence.stored, orphan)))
    assert faults == [f"store: {orphan} is left, and no shard names it"]


def test_an_interrupted_write_is_found(evidence: Evidence) -> None:
    assert find_faults(replace(evidence, unfinished=1)) == ["store: 1 interrupted writes are left"]
