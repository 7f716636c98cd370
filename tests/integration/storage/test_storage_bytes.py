"""The benchmark of stored bytes counts what rows and objects really take."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from benchmarks.storage_bytes import measure
from fixtures.worker.ended_runs import ended_run, new_export
from samfleet.exports.build import build_export
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.factory import open_store


def test_bytes_per_row_mask_and_export_are_measured(engine: Engine, tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    store = open_store(url)
    run = ended_run(engine, store)
    build_export(engine, store, new_export(engine, MemoryTaskQueue(), run, "coco").id, 1000)
    found = measure(engine, url, None)
    sizes = {kept.key: kept.size for kept in store.list("")}
    parts = sum(size for key, size in sizes.items() if "/parts/" in key)
    assert (found["objects"], found["object_bytes"]) == (len(sizes), sum(sizes.values()))
    assert found["parts"] == {
        run.variant: {
            "objects": 2,
            "results": 8,
            "masks": 16,
            "bytes_per_result": round(parts / 8, 1),
            "bytes_per_mask": round(parts / 16, 1),
        }
    }
    assert found["exports"] == {"coco": {"files": 1, "bytes_per_mask": round((sum(sizes.values()) - parts) / 16, 1)}}
    results = found["tables"]["image_results"]
    assert results["rows"] == 8
    assert results["total"] >= results["heap"] + results["indexes"] > 0
    assert "webhook_events" not in found["tables"]  # without rows there is no size per row
