from __future__ import annotations

import pytest
from sqlalchemy import Engine

from fixtures.worker.job_rows import ANNOTATED, DETECTED, results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, upload, upload_picture
from samfleet.db.models import Run
from samfleet.jobs.parts import read_parts
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def work_on_all(services: Services, run: Run) -> None:
    for shard in shards_of(services.engine, run):
        segment_shard(services, shard.id)


def test_detections_are_prompts_and_their_masks_refer_to_them(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 2, uris=upload(services, 2), annotated=True, detected=True, task=DETECTED)
    work_on_all(services, run)
    asked = {request.image: request for request in segmenter.requests}
    assert all(request.task.prompted for request in segmenter.requests)
    assert asked[b"image 0"].prompts == ()
    assert [(prompt.box, prompt.multimask) for prompt in asked[b"image 1"].prompts] == [((2, 2, 6, 6), False)]
    results = results_of(engine, run)
    assert [(result.error_code, result.mask_count) for result in results] == [(None, 0), (None, 1)]
    assert [result.quality_iou_sum for result in results] == [0.0, pytest.approx(4 / 16)]
    mask = list(read_parts(services.store, [results[0].part_key]))[1]["masks"][0]
    assert (mask["category_id"], mask["detection_id"], mask["prompt_index"]) == (7, 2, 0)
    assert (mask["detection_score"], mask["prompt_box"]) == (0.75, [2, 2, 4, 4])


def test_annotated_boxes_are_prompts_of_segevery(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 1, uris=upload_picture(services), annotated=True, task=ANNOTATED)
    work_on_all(services, run)
    assert [prompt.box for prompt in segmenter.requests[0].prompts] == [(2, 2, 6, 6)]
    mask = next(iter(read_parts(services.store, [results_of(engine, run)[0].part_key])))["masks"][0]
    assert (mask["category_id"], mask["annotation_id"], mask["prompt_index"]) == (7, 1000, 0)
