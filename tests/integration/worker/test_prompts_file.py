from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from fixtures.worker.job_rows import FROM_FILE, results_of, start_job
from fixtures.worker.worker_services import make_services, upload_picture, work_on_all
from samfleet.datasets.copying import PromptsRow
from samfleet.jobs.coco_files import BoxForm, result_entry
from samfleet.jobs.parts import read_parts
from samfleet.variants.task import Prompt, PromptMask
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

FIRST_IMAGE = 101  # of job_rows.make_dataset
POINTS = {"points": [[1.0, 2.0], [3.0, 3.0]], "labels": [1, 0], "multimask": False}
BOX = {"box": [0.25, 0.0, 0.75, 1.0], "multimask": True}


def row(position: int, coordinates: str, *objects: dict[str, Any]) -> PromptsRow:
    prompts = sum(len(one["prompts"]) for one in objects)
    return PromptsRow(FIRST_IMAGE + position, coordinates, prompts, list(objects))


def test_prompts_of_a_file_are_sent_and_their_masks_name_the_object(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    rows = [
        row(0, "pixels", {"id": "cat", "category_id": 7, "prompts": [POINTS, POINTS]}),
        row(1, "relative", {"id": "1", "prompts": [BOX]}),
    ]
    uris = upload_picture(services) * 3  # the third has no line in the file
    run = start_job(engine, services.queue, 3, uris=uris, prompted=rows, task=FROM_FILE)
    work_on_all(services, run)
    points = Prompt(points=((1.0, 2.0), (3.0, 3.0)), labels=(1, 0))
    box = Prompt(box=(1.0, 0.0, 3.0, 4.0), multimask=True)
    assert [request.prompts for request in segmenter.requests] == [(points, points), (box,), ()]
    results = results_of(engine, run)
    assert [(result.error_code, result.mask_count) for result in results] == [(None, 2), (None, 1), (None, 0)]
    assert [result.quality_iou_sum for result in results] == [None] * 3
    first, second, third = read_parts(services.store, [results[0].part_key])
    assert third["masks"] == []
    cats = [(mask["object_id"], mask["object_prompt"], mask["prompt_index"]) for mask in first["masks"]]
    assert cats == [("cat", 0, 0), ("cat", 1, 1)]
    assert first["masks"][0]["category_id"] == 7
    assert first["masks"][0]["prompt_points"] == [[1.0, 2.0], [3.0, 3.0]]
    assert first["masks"][0]["prompt_labels"] == [1, 0]
    (mask,) = second["masks"]
    assert (mask["object_id"], mask["prompt_box"]) == ("1", [1.0, 0.0, 2.0, 4.0])
    assert not {"category_id", "prompt_points", "prompt_labels"} & set(mask)
    entry = result_entry(102, mask, BoxForm.PIXELS)
    assert (entry["category_id"], entry["object_id"], entry["object_prompt"]) == (1, "1", 0)


def test_a_prompt_outside_its_image_fails_only_that_image(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    outside = {"id": "far", "prompts": [{"box": [1.0, 1.0, 60.0, 3.0], "multimask": False}]}
    rows = [row(0, "pixels", outside), row(1, "relative", {"id": "1", "prompts": [BOX]})]
    run = start_job(engine, services.queue, 2, uris=upload_picture(services) * 2, prompted=rows, task=FROM_FILE)
    work_on_all(services, run)
    results = results_of(engine, run)
    assert [result.error_code for result in results] == ["prompt_outside_image", None]
    assert "object 'far' has a prompt at (60, 3)" in (results[0].error_message or "")


def test_masks_of_a_file_are_sent_with_points_and_box(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    mask = {"size": [4, 4], "counts": "4<"}
    several = {
        "id": "cat",
        "prompts": [{**POINTS, "box": [0.0, 0.0, 3.0, 3.0], "mask": mask}, {"mask": mask, "multimask": False}],
    }
    wrong = {"id": "cat", "prompts": [{"mask": {"size": [4, 5], "counts": "4<"}, "multimask": False}]}
    rows = [row(0, "pixels", several), row(1, "pixels", wrong)]
    run = start_job(engine, services.queue, 2, uris=upload_picture(services) * 2, prompted=rows, task=FROM_FILE)
    work_on_all(services, run)
    sent = PromptMask((4, 4), "4<")
    both = Prompt(((1.0, 2.0), (3.0, 3.0)), (1, 0), (0.0, 0.0, 3.0, 3.0), mask=sent)
    assert [request.prompts for request in segmenter.requests] == [(both, Prompt(mask=sent))]
    results = results_of(engine, run)
    assert [result.error_code for result in results] == [None, "prompt_mask_mismatch"]
    first, _ = read_parts(services.store, [results[0].part_key])
    assert [(mask["object_id"], mask["object_prompt"]) for mask in first["masks"]] == [("cat", 0), ("cat", 1)]
