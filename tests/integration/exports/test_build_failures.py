"""Exports that cannot be built: no file is left, and the row says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from fixtures.worker.ended_runs import ended_run, export_row, new_export
from fixtures.worker.export_builds import MAX_IMAGE_BYTES, build, exported
from samfleet.db.models import ExportState
from samfleet.exports.build import build_export
from samfleet.exports.formats.base import ExportSource
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore, StorageUnavailable


def test_a_full_store_fails_the_export_and_another_can_be_requested(engine: Engine, queue: MemoryTaskQueue) -> None:
    store = MemoryStore()
    run = ended_run(engine, store)
    store.capacity_bytes = sum(found.size for found in store.list("")) + 10
    failed = build(engine, store, first := new_export(engine, queue, run))
    assert (failed.state, failed.error_code, failed.key) == (ExportState.FAILED, "storage_full", None)
    assert exported(store, run) == []
    store.capacity_bytes = None
    second = new_export(engine, queue, run)
    assert second.id != first.id
    assert build(engine, store, second).state is ExportState.COMPLETED


def test_a_store_that_does_not_respond_leaves_the_export_queued(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = new_export(engine, queue, ended_run(engine, store))
    with monkeypatch.context() as away:
        away.setattr(type(store), "open", _away)
        with pytest.raises(StorageUnavailable):
            build_export(engine, store, export.id, MAX_IMAGE_BYTES)
    row = export_row(engine, export.id)
    assert (row.state, row.lost) == (ExportState.QUEUED, 0)
    assert build(engine, store, export).state is ExportState.COMPLETED


def _away(*_: object, **__: object) -> None:
    raise StorageUnavailable


def test_a_missing_part_fails_the_export_with_its_code(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue
) -> None:
    run = ended_run(engine, store)
    export = new_export(engine, queue, run)
    store.delete_prefix(f"runs/{run.id}/parts/")
    failed = build(engine, store, export)
    assert (failed.state, failed.error_code) == (ExportState.FAILED, "object_not_found")


def test_an_error_of_a_format_fails_the_export_and_is_raised_for_the_log(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue, use: Any
) -> None:
    def broken(_source: ExportSource) -> Iterator[bytes]:
        yield b"begun"
        raise ValueError("65,536 masks do not fit")

    use(broken)
    run = ended_run(engine, store)
    export = new_export(engine, queue, run, "one")
    with pytest.raises(ValueError, match="do not fit"):
        build_export(engine, store, export.id, MAX_IMAGE_BYTES)
    row = export_row(engine, export.id)
    assert (row.state, row.error_code) == (ExportState.FAILED, "export_failed")
    assert "65,536 masks do not fit" in (row.error_message or "")
    assert exported(store, run) == []
