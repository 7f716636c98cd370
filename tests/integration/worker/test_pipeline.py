from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine

from fixtures.worker.job_rows import reload, results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, raise_for, sent, upload, upload_picture, work_on_all
from samfleet.db.models import JobState, RunState, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.export import Export, ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.parts import read_parts
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.errors import (
    InferenceRejected,
)
from samfleet_worker.triton.memory_segmenter import MemorySegmenter, one_mask_each

PATIENCE = 20  # seconds after which a waiting test fails


def test_a_shard_goes_from_claim_to_record(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    work_on_all(services, run)
    results = results_of(engine, run)
    assert [(result.image_id, result.part_line, result.mask_count) for result in results] == [
        (101 + line, line, 1) for line in range(4)
    ]
    rows = list(read_parts(services.store, [results[0].part_key]))
    assert [row["file_name"] for row in rows] == [f"{n}.png" for n in range(4)]
    assert all(row["width"] == 4 and row["outcome"] == "succeeded" for row in rows)
    assert all(result.fetch_ms is not None and result.store_ms is not None for result in results)
    finishing = reload(engine, run)[1]
    assert finishing.state is RunState.FINISHING
    assert (finishing.parts, finishing.part_bytes) == (1, services.store.size(results[0].part_key))
    finish_run(engine, services.store, run.id)
    assert reload(engine, run)[0].state is JobState.COMPLETED
    work_on_all(services, run)  # the messages arrive a second time
    assert len(results_of(engine, run)) == 4


def test_several_images_are_in_flight_to_triton(engine: Engine) -> None:
    together = Barrier(4)

    def meet(_request: SegmentRequest) -> None:
        together.wait(PATIENCE)

    segmenter = MemorySegmenter(before=meet)
    services = make_services(engine, segmenter, images_in_flight=4)
    run = start_job(engine, services.queue, 8, uris=upload(services, 8))
    work_on_all(services, run)
    assert segmenter.peak_in_flight == 4
    assert len(results_of(engine, run)) == 8


def test_images_of_a_quick_variant_share_requests(engine: Engine) -> None:
    """One thread: its groups double, until the reply's 4 ms an image fill them, and each image has its own masks."""
    segmenter = MemorySegmenter(respond=width_of_its_bytes)
    services = make_services(engine, segmenter, images_in_flight=1)
    run = start_job(engine, services.queue, 8 * 20, uris=upload(services, 8 * 20), shard_size=20)
    segment_shard(services, shards_of(engine, run)[0].id)
    assert segmenter.sizes == [1, 2, 4, 8, 5]
    rows = list(read_parts(services.store, [shards_of(engine, run)[0].part_key or ""]))
    assert [row["width"] for row in rows] == [len(f"image {number}") for number in range(20)]
    assert [result.image_id for result in results_of(engine, run)] == list(range(101, 121))


def test_a_setting_bounds_the_images_of_a_request(engine: Engine) -> None:
    segmenter = MemorySegmenter(respond=width_of_its_bytes)
    services = make_services(engine, segmenter, images_in_flight=1, max_batch_size=3)
    run = start_job(engine, services.queue, 8 * 10, uris=upload(services, 8 * 10), shard_size=10)
    segment_shard(services, shards_of(engine, run)[0].id)
    assert segmenter.sizes == [1, 2, 3, 3, 1]


def test_a_request_that_triton_rejects_is_sent_again_image_by_image(engine: Engine) -> None:
    segmenter = MemorySegmenter(before=raise_for(5, InferenceRejected("too large for this server")))
    services = make_services(engine, segmenter, images_in_flight=1)
    run = start_job(engine, services.queue, 8 * 10, uris=upload(services, 8 * 10), shard_size=10)
    segment_shard(services, shards_of(engine, run)[0].id)
    assert segmenter.sizes == [1, 2, 4, 1, 1, 1, 1, 3]
    assert [result.error_code for result in results_of(engine, run)] == [None] * 5 + ["inference_rejected"] + [None] * 4
    assert shards_of(engine, run)[0].state is ShardState.DONE


def width_of_its_bytes(variant: str, request: SegmentRequest) -> SegmentReply:
    reply = one_mask_each(variant, request)
    return replace(reply, report=replace(reply.report, width=len(request.image)))


def test_boxes_come_from_the_annotations_and_are_measured(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    run = start_job(
        engine,
        services.queue,
        1,
        uris=upload_picture(services),
        annotated=True,
        task={"kind": "prompts", "prompt": "box"},
    )
    segment_shard(services, shards_of(engine, run)[0].id)
    assert [prompt.box for prompt in segmenter.requests[0].prompts] == [(2, 2, 6, 6)]
    result = results_of(engine, run)[0]
    # the double returns 4 x 4 full pixels; only 2 x 2 of the square at (2, 2) lie inside
    assert result.quality_instances == 1
    assert result.quality_iou_sum == pytest.approx(4 / 16)
    mask = next(iter(read_parts(services.store, [result.part_key])))["masks"][0]
    assert (mask["category_id"], mask["annotation_id"], mask["prompt_index"]) == (7, 1000, 0)


def test_bad_images_are_recorded_and_the_others_continue(engine: Engine) -> None:
    def respond(variant: str, request: SegmentRequest) -> SegmentReply:
        if request.image == b"image 3":
            error = ImageReport(error_code="image_truncated", error_message="half of it", error_stage="preprocess")
            return SegmentReply((), error)
        return one_mask_each(variant, request)

    segmenter = MemorySegmenter(respond=respond, before=raise_for(4, InferenceRejected("wrong shape")))
    services = make_services(engine, segmenter, max_image_bytes=50)
    uris = upload(services, 6)
    services.store.put("uploads/0", b"")
    services.store.put("uploads/1", b"x" * 51)
    services.store.delete("uploads/2")
    run = start_job(engine, services.queue, 6, uris=uris)
    work_on_all(services, run)
    errors = [(result.error_code, result.error_stage) for result in results_of(engine, run)]
    assert errors == [
        ("image_empty", "fetch"),
        ("image_too_large", "fetch"),
        ("image_missing", "fetch"),
        ("image_truncated", "preprocess"),
        ("inference_rejected", "encode"),
        (None, None),
    ]
    run = reload(engine, run)[1]
    assert (run.succeeded, run.failed, run.state) == (1, 5, RunState.FINISHING)


def test_many_workers_and_duplicate_messages_record_each_image_once(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(), shards_in_flight=3)
    run = start_job(engine, services.queue, 40, uris=upload(services, 40), in_flight=3)
    done: set[int] = set()
    while tasks := [task for task in sent(services) if task.task == "shards.segment" and task.args[0] not in done]:
        shard_ids = [int(task.args[0]) for task in tasks]
        done.update(shard_ids)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda shard_id: segment_shard(services, shard_id), shard_ids * 2))
    results = results_of(engine, run)
    assert [result.image_id for result in results] == list(range(101, 141))
    finish_run(engine, services.store, run.id)
    with transaction(engine) as session:
        parts = recorded_parts(session, run.id)
    exported = b"".join(iter_export(services.store, parts, Export(ExportFormat.COCO)))
    assert len(json.loads(exported)) == reload(engine, run)[1].masks == 40
