from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine, select

from fixtures.models.gates import gate
from fixtures.worker.job_rows import (
    HARDWARE,
    claim_one,
    record_one,
    reload,
    results_of,
    shards_of,
    start_job,
    start_runs,
)
from samfleet.db.models import Hardware, Job, JobEvent, JobState, Run, RunState, ShardState
from samfleet.db.session import read_only, transaction
from samfleet.jobs.export import Export, ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.settle import fail_run
from samfleet.jobs.states import lock_run
from samfleet.storage.memory_store import MemoryStore


def export(engine: Engine, store: MemoryStore, run: Run, form: ExportFormat = ExportFormat.COCO) -> bytes:
    with read_only(engine) as session:
        parts = recorded_parts(session, run.id)
    return b"".join(iter_export(store, parts, Export(form)))


def test_a_row_has_the_times_of_an_image_and_the_place_of_its_masks(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    record_one(engine, queue, store, claimed, failed=1)
    missing, *rows = results_of(engine, run)
    assert (missing.outcome.value, missing.error_code, missing.error_stage) == ("failed", "image_missing", "fetch")
    assert (missing.part_line, missing.mask_count, missing.encode_ms) == (0, 0, None)
    row = rows[0]
    assert (row.part_key, row.part_line, row.mask_count) == (f"runs/{run.id}/parts/000000-1.jsonl.zst", 1, 2)
    assert (row.encode_ms, row.encode_batch_ms, row.queue_triton_ms, row.fetch_ms, row.store_ms) == (1, 2, 2, 0.5, 0.25)
    assert row.round_trip_ms == 7.0
    assert (missing.predicted_iou, row.predicted_iou) == (None, 0.9)
    assert (row.batch_size, row.clock, row.warmup, row.checkpoint_sha256) == (2, "host", False, "c" * 64)
    assert row.queue_shard_ms == claimed.queue_shard_ms
    with transaction(engine) as session:
        hardware = session.scalars(select(Hardware)).one()
    assert (hardware.id, hardware.facts, hardware.device_name) == (row.hardware_id, HARDWARE, "Test CPU")


def test_recording_a_shard_dispatches_the_next_one(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 12, in_flight=1)
    assert len(shards_of(engine, run, ShardState.QUEUED)) == 1
    record_one(engine, queue, store, claim_one(engine, run), in_flight=1)
    assert [shard.state.value for shard in shards_of(engine, run)] == ["done", "queued", "pending"]
    assert queue.sent[-1].args == (shards_of(engine, run)[1].id,)


def test_the_last_shard_triggers_exports_and_completes_the_job(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 6)
    second, first = claim_one(engine, run), claim_one(engine, run)
    record_one(engine, queue, store, first)
    assert {entry["image_id"] for entry in json.loads(export(engine, store, run))} == {105, 106}
    record_one(engine, queue, store, second)
    assert reload(engine, run)[1].state is RunState.FINISHING
    assert (queue.sent[-1].task, queue.sent[-1].args) == ("jobs.finish", (str(run.id),))
    for _ in range(2):
        finish_run(engine, store, run.id)
    job, run = reload(engine, run)
    assert (job.state, run.state) == (JobState.COMPLETED, RunState.COMPLETED)
    assert {found.key.split("/")[2] for found in store.list("")} == {"parts"}
    exported = json.loads(export(engine, store, run))
    assert [entry["image_id"] for entry in exported] == [n for n in range(101, 107) for _ in range(2)]
    with read_only(engine) as session:
        events = session.scalars(select(JobEvent.to_state).where(JobEvent.run_id.is_(None)).order_by(JobEvent.id))
        assert list(events) == ["queued", "running", "completed"]
    lines = export(engine, store, run, ExportFormat.JSONL).splitlines()
    assert [json.loads(line)["image_id"] for line in lines] == list(range(101, 107))


def test_a_damaged_part_fails_the_run_with_a_reason(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    record_one(engine, queue, store, claimed)
    key = results_of(engine, run)[0].part_key
    store.put(key, store.get(key)[:-5])
    finish_run(engine, store, run.id)
    job, run = reload(engine, run)
    assert (job.state, run.state, run.error_code) == (JobState.FAILED, RunState.FAILED, "part_file_damaged")


def test_a_job_with_failed_runs_names_the_complete_ones_and_keeps_their_results(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    mobile, slim, tiny = start_runs(engine, queue, 4, variants=["mobile_sam", "slimsam_uniform_50", "tinysam"])
    for failing in (mobile, tiny):
        with transaction(engine) as session:
            locked = lock_run(session, failing.id)
            assert locked is not None
            fail_run(session, locked.job, locked.run, "variant_load_failed", "no weights")
    record_one(engine, queue, store, claim_one(engine, slim))
    finish_run(engine, store, slim.id)
    job, slim = reload(engine, slim)
    assert (job.state, slim.state) == (JobState.COMPLETED_WITH_ERRORS, RunState.COMPLETED)
    assert job.error_message == (
        "mobile_sam on pool default: no weights; failed too: tinysam on pool default; "
        "complete, with all results: slimsam_uniform_50 on pool default"
    )
    assert export(engine, store, slim, ExportFormat.JSONL).count(b"\n") == 4


def test_too_many_failed_images_end_the_run_and_keep_its_results(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 12, max_failure_rate=0.25)
    record_one(engine, queue, store, claim_one(engine, run), failed=3)
    assert reload(engine, run)[1].state is RunState.RUNNING
    record_one(engine, queue, store, claim_one(engine, run), failed=1)
    job, run = reload(engine, run)
    assert (run.state, run.error_code, run.failed) == (RunState.FAILED, "failure_rate_exceeded", 4)
    assert job.error_message is not None
    assert job.error_message.startswith("mobile_sam on pool default: 4 of 12 images failed, more than the 25.0%")
    assert [shard.state.value for shard in shards_of(engine, run)] == ["done", "done", "cancelled"]
    assert len(results_of(engine, run)) == 8


def test_a_job_waits_for_all_its_runs(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    with transaction(engine) as session:
        other = Run(job_id=run.job_id, variant="mobile_sam", pool="other", task={}, total=4, state=RunState.RUNNING)
        session.add(other)
    record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    with transaction(engine) as session:
        assert session.get_one(Job, run.job_id).state is JobState.RUNNING
        assert session.get_one(Run, run.id).state is RunState.COMPLETED


def test_a_run_stores_the_gates_that_admitted_it_by_hardware(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8, shard_size=2)
    on_cpu, on_gpu = ({**HARDWARE, "device_name": name, "precision": "bf16"} for name in ("CPU", "GPU"))
    bf16 = gate(agreeing_share=0.97).summary()
    compiled: dict[str, Any] = {"execution": "bf16+compile", "warmup_seconds": 41.5}
    record_one(engine, queue, store, claim_one(engine, run))
    assert reload(engine, run)[1].gates == {}
    record_one(engine, queue, store, claim_one(engine, run), hardware=on_cpu, execution="bf16", gate=bf16)
    record_one(engine, queue, store, claim_one(engine, run), hardware=on_gpu, gate=gate().summary(), **compiled)
    record_one(engine, queue, store, claim_one(engine, run), failed=2)
    with transaction(engine) as session:
        ids = {row.device_name: str(row.id) for row in session.scalars(select(Hardware))}
    assert reload(engine, run)[1].gates == {
        ids["CPU"]: {"execution": "bf16", "warmup_seconds": None, **bf16},
        ids["GPU"]: {**compiled, **gate().summary()},
    }
