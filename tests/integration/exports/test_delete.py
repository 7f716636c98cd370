"""Exports that are deleted after their time, or that nothing refers to."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select, text, update

from fixtures.worker.ended_runs import ended_run, export_row, new_export
from fixtures.worker.worker_services import make_services
from samfleet.db.models import Export
from samfleet.db.session import read_only, transaction
from samfleet.exports.build import build_export
from samfleet.exports.delete import delete_expired_exports
from samfleet.jobs.queue import MemoryTaskQueue, TaskName
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def count(engine: Engine) -> int:
    with read_only(engine) as session:
        return session.scalar(select(func.count()).select_from(Export)) or 0


def three_exports(engine: Engine, store: MemoryStore) -> dict[str, Export]:
    """Exports that ended two days ago: kept for a day, for three days, and without limit."""
    run = ended_run(engine, store)
    made = {form: new_export(engine, MemoryTaskQueue(), run, form) for form in ("coco", "instances", "jsonl")}
    for export in made.values():
        build_export(engine, store, export.id, 1000)
    with transaction(engine) as session:
        session.execute(update(Export).values(finished_at=text("now() - interval '2 days'")))
        for form, days in (("coco", 1), ("instances", 3)):
            session.execute(update(Export).where(Export.format == form).values(keep_days=days))
    return {form: export_row(engine, export.id) for form, export in made.items()}


def test_an_export_is_deleted_after_its_days(engine: Engine) -> None:
    store = MemoryStore()
    exports = three_exports(engine, store)
    assert delete_expired_exports(engine, store, 100) == 1
    assert {form: store.exists(export.key or "") for form, export in exports.items()} == {
        "coco": False,
        "instances": True,
        "jsonl": True,
    }
    assert (delete_expired_exports(engine, store, 100), count(engine)) == (0, 2)


def test_a_store_that_does_not_respond_leaves_an_orphan(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    exports = three_exports(engine, store)

    def away(_store: MemoryStore, _key: str) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(MemoryStore, "delete", away)
        assert delete_expired_exports(engine, store, 100) == 1
    assert store.exists(exports["coco"].key or "")
    assert count(engine) == 2


def test_the_tasks_of_the_worker_build_resend_and_delete(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    assert isinstance(services.queue, MemoryTaskQueue)
    app = create_app(services.settings, lambda _: services)
    run = ended_run(engine, services.store)
    export = new_export(engine, services.queue, run)
    with transaction(engine) as session:
        session.execute(update(Export).values(sent_at=text("now() - interval '1 hour'"), keep_days=1))
    services.queue.sent.clear()
    app.tasks[TaskName.SWEEP].apply(throw=True)
    (sent,) = [task for task in services.queue.sent if task.task == TaskName.EXPORT]
    app.tasks[sent.task].apply(args=sent.args, throw=True)
    built = export_row(engine, export.id)
    assert built.key is not None
    with transaction(engine) as session:
        session.execute(update(Export).values(finished_at=text("now() - interval '2 days'")))
    app.tasks[TaskName.CLEAN].apply(throw=True)
    assert count(engine) == 0
    assert not services.store.exists(built.key)
