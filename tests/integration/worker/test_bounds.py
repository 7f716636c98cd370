from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, update

from fixtures.jobs import results_of, shards_of, start_job
from fixtures.worker import make_services, upload
from samfleet.budget import Budget
from samfleet.db.models import DatasetAnnotation, Outcome
from samfleet.db.session import transaction
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory import MemorySegmenter


def test_image_files_in_memory_are_bounded(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = replace(make_services(engine, segmenter, images_in_flight=4), image_bytes=Budget(1))
    run = start_job(engine, services.queue, 6, uris=upload(services, 6))
    for shard in shards_of(engine, run):
        segment_shard(services, shard.id)
    assert segmenter.peak_in_flight == 1  # each is larger than the budget, so each goes alone
    assert len(results_of(engine, run)) == 6


def test_an_annotation_of_another_size_costs_the_figure_and_not_the_masks(engine: Engine) -> None:
    """Store a code that datasets made before such sizes were refused may hold: it would be decoded into 4 GiB."""
    services = make_services(engine, MemorySegmenter())
    task = {"kind": "prompts", "prompt": "box"}
    run = start_job(engine, services.queue, 1, uris=upload(services, 1), annotated=True, task=task)
    with transaction(engine) as session:
        session.execute(
            update(DatasetAnnotation).values(segmentation={"size": [65535, 65535], "counts": [0, 65535**2]})
        )
    segment_shard(services, shards_of(engine, run)[0].id)
    (result,) = results_of(engine, run)
    assert (result.outcome, result.quality_instances) == (Outcome.SUCCEEDED, None)
