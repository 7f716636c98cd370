"""Building exports: whole files or none, whatever happens to the builder, the store or the run."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text, update

from fixtures.worker.ended_runs import ended_run, export_row, new_export
from fixtures.worker.export_builds import MAX_IMAGE_BYTES, build, exported
from samfleet.db.models import Export, ExportState, Job
from samfleet.db.session import transaction
from samfleet.exports.build import build_export
from samfleet.exports.claim import claim_export
from samfleet.exports.delete import delete_export
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportSource
from samfleet.exports.states import EXPORTS
from samfleet.jobs.built_rows import MOST_LOST, SILENT_AFTER
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet.jobs.retry import retry_job
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore


def sweep(engine: Engine, queue: MemoryTaskQueue) -> int:
    with transaction(engine) as session:
        return EXPORTS.sweep(session, queue, SILENT_AFTER)


def let_time_pass(engine: Engine, export: Export) -> None:
    """Move the last sign of life into the past."""
    with transaction(engine) as session:
        past = text("now() - interval '3 minutes'")
        session.execute(update(Export).where(Export.id == export.id).values(sent_at=past))


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"gpkg"}))
def test_every_format_is_built_and_described(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue, form: str
) -> None:
    run = ended_run(engine, store, failed=1)
    export = new_export(engine, queue, run, form)
    assert queue.sent == [SentTask("exports.build", (str(export.id),), "samfleet.control")]
    built = build(engine, store, export)
    assert (built.state, built.progress, built.error_code) == (ExportState.COMPLETED, 1.0, None)
    assert built.key is not None
    data = store.get(built.key)
    assert (built.bytes, built.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert exported(store, run) == [built.key]
    assert built.finished_at is not None


def test_images_without_a_place_on_the_earth_fail_a_geopackage(engine: Engine, queue: MemoryTaskQueue) -> None:
    store = MemoryStore()
    run = ended_run(engine, store)
    built = build(engine, store, new_export(engine, queue, run, "gpkg"))
    assert (built.state, built.error_code) == (ExportState.FAILED, "export_not_georeferenced")
    assert exported(store, run) == []


def test_the_options_select_masks_and_name_their_category(engine: Engine, queue: MemoryTaskQueue) -> None:
    store = MemoryStore()
    run = ended_run(engine, store, failed=1)

    def instances(**options: Any) -> dict[str, Any]:
        built = build(engine, store, new_export(engine, queue, run, **options))
        assert built.key is not None
        contents: dict[str, Any] = json.loads(store.get(built.key))
        return contents

    whole = instances()
    assert (len(whole["images"]), len(whole["annotations"])) == (7, 14)
    assert whole["info"]["run_id"] == str(run.id)
    assert whole["info"]["hardware"] == ["Test CPU"]
    assert whole["info"]["checkpoint_sha256"] == ["c" * 64]
    assert whole["info"]["parameters"]["points_per_side"] == 4
    named = instances(one_class=True, category_name="fish")
    assert named["categories"] == [{"id": 1, "name": "fish"}]
    assert instances(min_score=0.91)["annotations"] == []  # the predicted IoU is 0.9
    assert len(instances(min_score=0.9)["annotations"]) == 14
    assert instances(min_area=1)["annotations"] == []  # the masks are empty


def test_a_task_that_arrives_twice_builds_once(engine: Engine, store: ObjectStore, queue: MemoryTaskQueue) -> None:
    run = ended_run(engine, store)
    export = new_export(engine, queue, run)
    built = build(engine, store, export)
    assert build(engine, store, export).finished_at == built.finished_at
    build_export(engine, store, uuid.uuid4(), MAX_IMAGE_BYTES)  # deleted meanwhile
    assert len(exported(store, run)) == 1


def test_a_killed_builder_is_replaced_and_its_file_never_shown(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue
) -> None:
    run = ended_run(engine, store)
    export = new_export(engine, queue, run)
    with transaction(engine) as session:
        killed = claim_export(session, export.id)
    assert killed is not None
    store.put(killed.key("json"), b"half a fi")
    assert sweep(engine, queue) == 0  # it may still live
    let_time_pass(engine, export)
    queue.sent.clear()
    assert sweep(engine, queue) == 1
    assert queue.sent == [SentTask("exports.build", (str(export.id),), "samfleet.control")]
    built = build(engine, store, export)
    assert (built.state, built.lost) == (ExportState.COMPLETED, 1)
    assert built.key not in {None, killed.key("json")}
    json.loads(store.get(built.key or ""))


def test_a_builder_that_was_taken_for_dead_changes_nothing(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet.exports.build.SIGN_OF_LIFE_SECONDS", 1e9)
    run = ended_run(engine, store)

    def overtaken(_source: ExportSource) -> Iterator[bytes]:
        yield b"late"
        use(lambda _: iter([b"early"]))
        let_time_pass(engine, export)
        sweep(engine, queue)
        build_export(engine, store, export.id, MAX_IMAGE_BYTES)

    use(overtaken)
    export = new_export(engine, queue, run, "one")
    built = build(engine, store, export)
    assert built.state is ExportState.COMPLETED
    assert store.get(built.key or "") == b"early"
    assert exported(store, run) == [built.key]


@pytest.mark.parametrize("shown", [0.0, 1e9])
def test_an_export_deleted_while_it_is_built_leaves_no_file(
    engine: Engine,
    store: ObjectStore,
    queue: MemoryTaskQueue,
    use: Any,
    monkeypatch: pytest.MonkeyPatch,
    shown: float,
) -> None:
    """The builder notices at its next sign of life, or at the end."""
    monkeypatch.setattr("samfleet.exports.build.SIGN_OF_LIFE_SECONDS", shown)
    run = ended_run(engine, store)

    def deleted(_source: ExportSource) -> Iterator[bytes]:
        yield b"one"
        with transaction(engine) as session:
            assert delete_export(session, export.id) is None
        yield b"two"

    use(deleted)
    export = new_export(engine, queue, run, "one")
    build_export(engine, store, export.id, MAX_IMAGE_BYTES)
    assert exported(store, run) == []


def test_builders_that_fall_silent_again_and_again_fail_the_export(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue
) -> None:
    export = new_export(engine, queue, ended_run(engine, store))
    for _ in range(MOST_LOST):
        with transaction(engine) as session:
            assert claim_export(session, export.id) is not None
        let_time_pass(engine, export)
        sweep(engine, queue)
    row = export_row(engine, export.id)
    assert (row.state, row.error_code) == (ExportState.FAILED, "export_failed")
    assert "fell silent 3 times" in (row.error_message or "")


def test_a_lost_message_is_sent_again(engine: Engine, store: ObjectStore) -> None:
    queue = MemoryTaskQueue(down=True)
    export = new_export(engine, queue, ended_run(engine, store))
    queue.down = False
    assert sweep(engine, queue) == 0
    let_time_pass(engine, export)
    assert (sweep(engine, queue), len(queue.sent)) == (1, 1)


def test_a_format_reads_images_within_the_limit(
    engine: Engine, store: ObjectStore, queue: MemoryTaskQueue, use: Any
) -> None:
    def images(source: ExportSource) -> Iterator[bytes]:
        assert source.read_image is not None
        for row in source.rows():
            yield source.read_image(row["dataset_image_id"])

    use(images)
    run = ended_run(engine, store, 4)
    with transaction(engine) as session:
        dataset_id = session.get_one(Job, run.job_id).dataset_id
    for number in range(4):
        store.put(f"uploads/{dataset_id}/{number}.png", b"%d" % number * 10)
    built = build(engine, store, new_export(engine, queue, run, "one"))
    assert store.get(built.key or "") == b"0" * 10 + b"1" * 10 + b"2" * 10 + b"3" * 10
    store.put(f"uploads/{dataset_id}/3.png", b"x" * (MAX_IMAGE_BYTES + 1))
    failed = build(engine, store, new_export(engine, queue, run, "one", min_area=1))
    assert failed.error_code == "image_too_large"


def test_a_retry_outdates_what_was_not_built(engine: Engine, store: ObjectStore, queue: MemoryTaskQueue) -> None:
    run = ended_run(engine, store, failed=1)
    export = new_export(engine, queue, run)
    with transaction(engine) as session:
        tenant = session.get_one(Job, run.job_id).tenant_id
        retry_job(session, queue, tenant, run.job_id)
    failed = build(engine, store, export)
    assert (failed.state, failed.error_code) == (ExportState.FAILED, "export_outdated")
    assert exported(store, run) == []
