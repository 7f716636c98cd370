"""Evaluation at the end of runs, over real rows and parts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from fixtures.worker.job_rows import ANNOTATED, BOXES, claim_one, finished, make_dataset, make_job, reload, start_job
from samfleet.db.models import Dataset, DatasetAnnotation, DatasetImage, Job, JobState, Run, RunQuality, RunState
from samfleet.db.session import transaction
from samfleet.jobs import finish
from samfleet.jobs.export import Export, ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.job_request import AnnotationsMissing
from samfleet.jobs.outcomes import ImageOutcome
from samfleet.jobs.parts import part_key, part_row
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.masks.record import MaskRecord
from samfleet.quality.segmentation import annotation_rle
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.memory_store import MemoryStore

IMAGES = 4
SIDE = 8
SQUARE = [[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]]  # the annotations of every image in the dataset
HALF = [[2.0, 2.0, 4.0, 2.0, 4.0, 6.0, 2.0, 6.0]]


def mask(polygons: list[list[float]]) -> MaskRecord:
    counts = annotation_rle(polygons, SIDE, SIDE)["counts"].decode()
    area = 16 if polygons is SQUARE else 8
    return MaskRecord(counts, (SIDE, SIDE), area, (2, 2, 3, 3), 0.9, 0.95, prompt_index=0)


def recorded(engine: Engine, store: MemoryStore, **fields: Any) -> Run:
    """A run with all images recorded: the first failed, the second is half right, the others are right."""
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, IMAGES, annotated=True, **{"task": BOXES, **fields})
    claimed = claim_one(engine, run)
    outcomes = [answered(outcome, place) for place, outcome in enumerate(finished(claimed, failed=1))]
    key = part_key(claimed.run_id, claimed.index, claimed.token)
    size = write_jsonl_zst(store, key, [part_row(outcome) for outcome in outcomes])
    with transaction(engine) as session:
        record(session, queue, claimed, outcomes, part_key=key, part_bytes=size, store_ms=0.0, shards_in_flight=1)
    return run


def answered(outcome: ImageOutcome, place: int) -> ImageOutcome:
    if outcome.report is None:
        return outcome
    report = replace(outcome.report, width=SIDE, height=SIDE)
    masks = (mask(HALF if place == 1 else SQUARE),)
    return replace(outcome, report=report, masks=masks, prompted=outcome.image.instances)


def figures(engine: Engine, run: Run) -> dict[tuple[str, str, int], float]:
    with transaction(engine) as session:
        rows = session.scalars(select(RunQuality).where(RunQuality.run_id == run.id)).all()
    assert all(row.instances == IMAGES for row in rows)
    return {(row.metric, row.area, row.max_detections): row.value for row in rows}


def test_a_prompted_run_ends_with_miou_and_precision(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    for _ in range(2):
        finish_run(engine, store, run.id)
    found = figures(engine, run)
    assert found["miou", "all", 1] == found["miou", "small", 1] == (0 + 0.5 + 1 + 1) / 4
    assert set(found) == {
        *(("miou", area, 1) for area in ("all", "small")),
        *(("ap", area, 100) for area in ("all", "small")),
        *((name, "all", 100) for name in ("ap50", "ap75")),
    }
    assert found["ap50", "all", 100] == pytest.approx(76 / 101)  # three of four, none wrong
    assert 0.25 < found["ap", "all", 100] < found["ap50", "all", 100]
    job, run = reload(engine, run)
    assert (job.evaluate, run.state, run.quality_error_code) == (True, RunState.COMPLETED, None)


def test_an_object_aware_run_is_measured_both_ways(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store, task=ANNOTATED)
    finish_run(engine, store, run.id)
    found = figures(engine, run)
    assert {metric for metric, _, _ in found} == {"ar", "ap", "ap50", "ap75"}
    assert {limit for metric, _, limit in found if metric == "ar"} == {1, 10, 100, 1000}
    assert found["ar", "all", 1000] == pytest.approx((0 + 0.1 + 1 + 1) / 4)


def test_a_job_may_skip_the_evaluation(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store, evaluate=False)
    finish_run(engine, store, run.id)
    assert figures(engine, run) == {}
    assert reload(engine, run)[1].state is RunState.COMPLETED


def test_a_failed_evaluation_loses_no_result(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    with transaction(engine) as session:
        session.execute(update(DatasetAnnotation).values(segmentation={"size": [SIDE, SIDE], "counts": None}))
    finish_run(engine, store, run.id)
    job, run = reload(engine, run)
    assert (job.state, run.state, run.error_code) == (JobState.COMPLETED_WITH_ERRORS, RunState.COMPLETED, None)
    assert run.quality_error_code == "evaluation_failed"
    assert "could not be evaluated" in (run.quality_error_message or "")
    assert figures(engine, run) == {}
    with transaction(engine) as session:
        assert json.loads(b"".join(iter_export(store, recorded_parts(session, run.id), Export(ExportFormat.COCO))))


def test_an_evaluation_that_repeatedly_ends_its_worker_is_abandoned(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    with transaction(engine) as session:
        session.execute(update(Run).values(evaluations_begun=finish.MOST_EVALUATIONS))
    finish_run(engine, store, run.id)
    _, run = reload(engine, run)
    assert (run.state, run.quality_error_code) == (RunState.COMPLETED, "evaluation_failed")
    assert "died 5 times" in (run.quality_error_message or "")


def test_federated_annotations_have_no_precision_and_a_reason(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    with transaction(engine) as session:
        session.execute(update(Dataset).values(categories=[{"id": 7, "name": "acorn", "frequency": "r"}]))
    finish_run(engine, store, run.id)
    assert {metric for metric, _, _ in figures(engine, run)} == {"miou"}
    assert reload(engine, run)[1].quality_error_code == "annotations_federated"


def test_federated_annotations_with_checked_categories_have_figures_of_lvis(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    with transaction(engine) as session:
        session.execute(update(Dataset).values(categories=[{"id": 7, "name": "acorn", "frequency": "r"}]))
        session.execute(update(Dataset).values(annotated_image_count=IMAGES))
        session.execute(update(DatasetImage).values(neg_category_ids=[], not_exhaustive_category_ids=[]))
        session.execute(delete(DatasetAnnotation).where(DatasetAnnotation.iscrowd))  # LVIS has none
    finish_run(engine, store, run.id)
    found = figures(engine, run)
    assert {metric for metric, _, _ in found} == {
        "miou", "lvis_ap", "lvis_ap50", "lvis_ap75", "lvis_apr", "lvis_ar",
    }  # fmt: skip
    assert found["lvis_ap50", "all", 300] == pytest.approx(76 / 101)  # as COCO's AP: one category, all of it annotated
    assert found["lvis_ar", "all", 300] == pytest.approx((0 + 0.1 + 1 + 1) / 4)
    assert found["lvis_apr", "all", 300] == found["lvis_ap", "all", 300]
    assert reload(engine, run)[1].quality_error_code is None


def test_a_long_evaluation_shows_signs_of_life(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    before = reload(engine, run)[1].sent_at
    monkeypatch.setattr(finish, "SIGN_OF_LIFE_SECONDS", 0.0)
    finish_run(engine, store, run.id)
    after = reload(engine, run)[1].sent_at
    assert before is not None
    assert after is not None
    assert after > before


def test_an_evaluation_needs_annotations(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    with transaction(engine) as session:
        dataset = make_dataset(session, 1)
        with pytest.raises(AnnotationsMissing, match="no annotations to evaluate against"):
            make_job(session, queue, dataset, evaluate=True)
        assert make_job(session, queue, dataset).evaluate is False


def test_the_evaluation_is_part_of_an_idempotent_request(engine: Engine) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 1, annotated=True)
        first = make_job(session, MemoryTaskQueue(), dataset, idempotency_key="one")
        again = make_job(session, MemoryTaskQueue(), dataset, idempotency_key="one")
        other = make_job(session, MemoryTaskQueue(), dataset, evaluate=False)
        assert first.id == again.id
        assert first.request_sha256 != other.request_sha256
        assert [job.evaluate for job in session.scalars(select(Job).order_by(Job.evaluate))] == [False, True]


def test_boxes_without_masks_give_no_figures_and_a_reason(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    with transaction(engine) as session:
        session.execute(update(Dataset).values(box_annotation_count=2))
    finish_run(engine, store, run.id)
    assert figures(engine, run) == {}
    _, done = reload(engine, run)
    assert (done.state, done.quality_error_code) == (RunState.COMPLETED, "annotation_masks_missing")
    assert "2 of 8 annotations are boxes without a mask" in (done.quality_error_message or "")


def test_annotations_of_another_size_give_no_figures_and_name_both_sizes(engine: Engine) -> None:
    store = MemoryStore()
    run = recorded(engine, store)
    far = [[20.0, 2.0, 26.0, 2.0, 26.0, 6.0]]
    with transaction(engine) as session:
        session.execute(update(DatasetImage).values(stated_width=30, stated_height=20))
        session.execute(update(DatasetAnnotation).values(segmentation=far))
    finish_run(engine, store, run.id)
    assert figures(engine, run) == {}
    _, done = reload(engine, run)
    assert (done.state, done.quality_error_code) == (RunState.COMPLETED, "annotation_size_mismatch")
    assert "state 30 x 20 and reach to (26, 6), the image has 8 x 8" in (done.quality_error_message or "")
