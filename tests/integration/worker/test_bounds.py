from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, update

from fixtures.worker.job_rows import results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, upload, upload_picture
from samfleet.budget import Budget
from samfleet.db.models import DatasetAnnotation, DatasetImage, Outcome
from samfleet.db.session import transaction
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def test_the_bytes_of_images_in_memory_are_bounded(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = replace(make_services(engine, segmenter, images_in_flight=4), image_bytes=Budget(1))
    run = start_job(engine, services.queue, 6, uris=upload(services, 6))
    for shard in shards_of(engine, run):
        segment_shard(services, shard.id)
    assert segmenter.peak_in_flight == 1  # each is larger than the budget, so each runs alone
    assert len(results_of(engine, run)) == 6


def test_annotations_of_another_size_are_an_error_of_the_image(engine: Engine) -> None:
    """Store a run length as in datasets created before such sizes were refused; decoding it would take 4 GiB."""
    services = make_services(engine, MemorySegmenter())
    task = {"kind": "prompts", "prompt": "box"}
    run = start_job(engine, services.queue, 1, uris=upload_picture(services), annotated=True, task=task)
    with transaction(engine) as session:
        session.execute(
            update(DatasetAnnotation).values(segmentation={"size": [65535, 65535], "counts": [0, 65535**2]})
        )
    segment_shard(services, shards_of(engine, run)[0].id)
    (result,) = results_of(engine, run)
    assert (result.outcome, result.error_code) == (Outcome.FAILED, "annotation_size_mismatch")
    assert "[65535, 65535], the image has [" in (result.error_message or "")


def test_annotations_of_another_size_leave_unprompted_masks_without_figures(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = start_job(engine, services.queue, 1, uris=upload(services, 1), annotated=True)
    far = {"bbox": [100.0, 2.0, 4.0, 4.0], "segmentation": [[100.0, 2.0, 104.0, 2.0, 104.0, 6.0]]}
    with transaction(engine) as session:
        session.execute(update(DatasetAnnotation).values(**far))
        session.execute(update(DatasetImage).values(stated_width=120, stated_height=90))
    segment_shard(services, shards_of(engine, run)[0].id)
    (result,) = results_of(engine, run)
    assert (result.outcome, result.quality_instances) == (Outcome.SUCCEEDED, None)


def test_a_box_without_a_mask_is_a_prompt_and_is_not_measured(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    task = {"kind": "prompts", "prompt": "box"}
    run = start_job(engine, services.queue, 1, uris=upload_picture(services), annotated=True, task=task)
    with transaction(engine) as session:
        session.execute(update(DatasetAnnotation).values(segmentation=[]))
    segment_shard(services, shards_of(engine, run)[0].id)
    assert [prompt.box for prompt in segmenter.requests[0].prompts] == [(2, 2, 6, 6)]
    (result,) = results_of(engine, run)
    assert (result.outcome, result.quality_instances) == (Outcome.SUCCEEDED, None)
