from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.worker.export_builds import OneFormat
from samfleet.exports.formats.base import ExportFormat, ExportSource
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.factory import open_store
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else open_store((tmp_path / "store").as_uri())


@pytest.fixture
def queue() -> MemoryTaskQueue:
    return MemoryTaskQueue()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[ExportSource], Iterator[bytes]]], None]:
    """Replace all formats by one."""

    def replace(chunks: Callable[[ExportSource], Iterator[bytes]]) -> None:
        form: ExportFormat = OneFormat(chunks)
        for module in ("build", "request"):
            monkeypatch.setattr(f"samfleet.exports.{module}.FORMATS", {"one": form})

    return replace
