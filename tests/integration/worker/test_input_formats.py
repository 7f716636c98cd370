"""Equal labels in each input format, from the upload through a job to the masks and the COCO results."""

from __future__ import annotations

import io
import threading
import uuid
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Engine

from fixtures.datasets.labels import HEIGHT, IMAGES, LABELS, WIDTH, WRITERS, id_of, packed_labels, write_jsonl
from fixtures.images.encoded_images import encoded, gradient
from fixtures.models.mobile_sam_engine import mobile_sam
from fixtures.worker.job_rows import FROM_FILE, results_of, start_runs_of
from fixtures.worker.worker_services import make_services, work_on_all
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.service import InputLimits, create_upload
from samfleet.datasets.uploads import put_prompts, seal
from samfleet.db.models import Tenant
from samfleet.db.session import transaction
from samfleet.jobs.coco_files import BoxForm, result_entry
from samfleet.jobs.parts import read_parts
from samfleet.quality.segmentation import pixel_ious
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.serving.engine import Engine as ModelEngine
from samfleet_worker.bootstrap import Services
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

__all__ = ["mobile_sam"]

LEAST_IOU = 0.99  # chunks depend on the free memory, and another one rounds in another order
FORMATS = ["jsonl", *WRITERS]
LIMITS = InputLimits()
Row = dict[str, Any]  # a mask as the result of an image has it


def content_of(form: str, folder: Path) -> IO[bytes]:
    if form == "jsonl":
        return io.BytesIO(write_jsonl(folder).read_bytes())
    return packed_labels(form, WRITERS[form](folder))


def masks_of(services: Services, form: str, folder: Path) -> dict[str, tuple[dict[int, str], list[Row]]]:
    """Return for each image the names of categories by id, and its masks, of a job with these labels."""
    with transaction(services.engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        ids = tenant.id, create_upload(session, tenant.id).id
    image = encoded(gradient(WIDTH, HEIGHT))
    files = [UploadedFile(name, io.BytesIO(image)) for name in IMAGES]
    add_images(services.engine, services.store, *ids, files, max_image_bytes=2**20, limits=LIMITS)
    labels: LabelFormat | None = None if form == "jsonl" else form  # type: ignore[assignment]  # one of WRITERS
    put_prompts(services.engine, services.store, *ids, content_of(form, folder), LIMITS, labels)
    dataset = seal(services.engine, services.store, *ids, LIMITS)
    (run,) = start_runs_of(services.engine, services.queue, dataset, task=FROM_FILE)
    work_on_all(services, run)
    results = results_of(services.engine, run)
    assert [result.error_code for result in results] == [None] * len(IMAGES)
    lines = list(read_parts(services.store, [results[0].part_key]))
    categories = {one["id"]: one["name"] for one in dataset.categories or ()}
    return {name: (categories, line["masks"]) for name, line in zip(sorted(IMAGES), lines, strict=True)}


def check_labels(form: str, found: dict[str, tuple[dict[int, str], list[Row]]]) -> None:
    """Check ids, categories and boxes, in the result and in its entry of a COCO file."""
    for name, (categories, masks) in found.items():
        expected = LABELS.get(name, [])
        assert [mask["object_id"] for mask in masks] == [
            id_of(form, name, number, category) for number, (category, _) in enumerate(expected)
        ]
        assert [categories[mask["category_id"]] for mask in masks] == [category for category, _ in expected]
        boxes = [(x, y, x + width, y + height) for x, y, width, height in (mask["prompt_box"] for mask in masks)]
        assert boxes == [box for _, box in expected]
        entries = [result_entry(1, mask, BoxForm.PIXELS) for mask in masks]
        for mask, entry in zip(masks, entries, strict=True):
            assert all(entry[key] == mask[key] for key in ("object_id", "object_prompt", "category_id", "prompt_box"))


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_labels_come_back_through_each_input_format(engine: Engine, tmp_path: Path, form: str) -> None:
    check_labels(form, masks_of(make_services(engine, MemorySegmenter()), form, tmp_path))


@pytest.mark.heavy
def test_every_input_format_gives_the_same_masks_of_mobile_sam(
    engine: Engine, tmp_path: Path, mobile_sam: ModelEngine
) -> None:
    lock = threading.Lock()  # an engine runs one batch at a time, and the worker sends several images

    def respond(_variant: str, request: SegmentRequest) -> SegmentReply:
        with lock:
            return dict(mobile_sam.segment([request]))[0]

    segmenter = MemorySegmenter(respond=respond)
    masks = []
    for form in FORMATS:
        (tmp_path / form).mkdir()
        found = masks_of(make_services(engine, segmenter), form, tmp_path / form)
        check_labels(form, found)
        masks.append({name: [mask["segmentation"] for mask in rows] for name, (_, rows) in found.items()})
    assert [len(rows) for rows in masks[0].values()] == [len(LABELS.get(name, [])) for name in sorted(IMAGES)]
    for form, one in zip(FORMATS, masks, strict=True):
        for name, first in masks[0].items():
            ious = [pixel_ious([mask], [other])[0, 0] for mask, other in zip(one[name], first, strict=True)]
            assert min(ious, default=1.0) >= LEAST_IOU, (form, name, ious)
