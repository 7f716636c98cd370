from __future__ import annotations

import contextlib
import io
import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco
from pycocotools.coco import COCO

from samfleet.jobs.coco_files import BoxForm, Instances, iter_instances, iter_results
from samfleet.jobs.export import CHUNK_BYTES, Export, ExportFormat, iter_export, iter_jsonl
from samfleet.jobs.outcomes import Annotation, Detection, ImageError, ImageOutcome, ShardImage
from samfleet.jobs.parts import part_row
from samfleet.jobs.reuse import EarlierResult, ReusedImage
from samfleet.masks.record import MaskRecord
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.memory_store import MemoryStore
from samfleet.variants.task import Prompt
from samfleet.wire.messages import ImageReport

COUNTS = coco.encode(np.asfortranarray(np.ones((4, 6), dtype=np.uint8)))["counts"].decode()


def image(number: int) -> ShardImage:
    return ShardImage(number, 100 + number, f"{number}.png", f"store:{number}", 10)


def everything(number: int) -> ImageOutcome:
    mask = MaskRecord(COUNTS, (4, 6), 24, (0, 0, 5, 3), 0.75, 0.5, point_coords=(3, 2), crop_box=(0, 0, 6, 4))
    return ImageOutcome(image(number), masks=(mask, mask), report=ImageReport(width=6, height=4))


def prompted(number: int) -> ImageOutcome:
    mask = MaskRecord(COUNTS, (4, 6), 24, (0, 0, 5, 3), 0.75, 0.5, prompt_index=1)
    annotations = tuple(Annotation(n, 7, (0, 0, 1, 1), iscrowd=False, segmentation=[]) for n in (50, 51))
    return ImageOutcome(image(number), (mask,), annotations, ImageReport(width=6, height=4))


FAILED = ImageOutcome(image(3), error=ImageError("image_missing", "gone", "fetch"))


def rows() -> list[dict[str, Any]]:
    return [part_row(outcome) for outcome in (everything(1), prompted(2), FAILED)]


def stored(*parts: list[dict[str, Any]]) -> tuple[MemoryStore, list[str]]:
    store = MemoryStore()
    for number, part in enumerate(parts):
        write_jsonl_zst(store, f"{number}.zst", part)
    return store, [f"{number}.zst" for number in range(len(parts))]


def test_coco_entries_have_the_documented_fields() -> None:
    first, second, third = json.loads(b"".join(iter_results(rows())))
    assert first == second
    assert first == {
        "image_id": 101,
        "category_id": 1,
        "segmentation": {"size": [4, 6], "counts": COUNTS},
        "bbox": [0, 0, 6, 4],
        "area": 24,
        "score": 0.75,
        "predicted_iou": 0.75,
        "stability_score": 0.5,
        "point_coords": [[3, 2]],
        "crop_box": [0, 0, 6, 4],
    }
    assert {**third, "segmentation": None} == {
        "image_id": 102,
        "category_id": 7,
        "segmentation": None,
        "bbox": [0, 0, 6, 4],
        "area": 24,
        "score": 0.75,
        "predicted_iou": 0.75,
        "stability_score": 0.5,
        "annotation_id": 51,
        "prompt_index": 1,
    }


def test_a_mask_of_a_detection_is_ranked_by_the_detector() -> None:
    mask = MaskRecord(COUNTS, (4, 6), 24, (0, 0, 5, 3), 0.75, 0.5, prompt_index=0)
    found = Detection(9, 3, (1.0, 1.0, 4.0, 2.0), 0.625)
    row = part_row(ImageOutcome(image(1), (mask,), (found,), ImageReport(width=6, height=4, prompts_decoded=1)))
    assert row["prompts_decoded"] == 1
    assert row["masks"][0]["detection_score"] == 0.625
    (entry,) = json.loads(b"".join(iter_results([row])))
    assert {name: entry[name] for name in ("category_id", "score", "predicted_iou", "prompt_index")} == {
        "category_id": 3,
        "score": 0.625,
        "predicted_iou": 0.75,
        "prompt_index": 0,
    }
    assert (entry["detection_id"], entry["prompt_box"]) == (9, [1.0, 1.0, 4.0, 2.0])


def test_a_mask_of_a_point_prompt_has_its_points() -> None:
    mask = MaskRecord(COUNTS, (4, 6), 24, (0, 0, 5, 3), 0.75, 0.5, prompt_index=1)
    instance = Annotation(51, 7, (0.0, 0.0, 6.0, 4.0), iscrowd=False, segmentation=[])
    prompts = (Prompt(box=(0.0, 0.0, 1.0, 1.0)), Prompt(points=((2.0, 1.0), (3.0, 3.0)), labels=(1, 1)))
    report = ImageReport(width=6, height=4)
    row = part_row(ImageOutcome(image(1), (mask,), (instance, instance), report, prompts=prompts))
    (entry,) = json.loads(b"".join(iter_results([row])))
    assert (entry["annotation_id"], entry["prompt_points"]) == (51, [[2.0, 1.0], [3.0, 3.0]])
    row = part_row(ImageOutcome(image(1), (replace(mask, prompt_index=0),), (instance,) * 2, report, prompts=prompts))
    assert "prompt_points" not in row["masks"][0]


def test_jsonl_has_a_line_for_every_image() -> None:
    lines = [json.loads(line) for line in b"".join(iter_jsonl(*stored(rows()[:2], rows()[2:]))).splitlines()]
    assert lines == rows()
    assert lines[2] == {
        "dataset_image_id": 3,
        "image_id": 103,
        "file_name": "3.png",
        "outcome": "failed",
        "width": None,
        "height": None,
        "prompts_decoded": None,
        "masks": [],
        "error": {"code": "image_missing", "message": "gone", "stage": "fetch"},
    }


def test_lines_and_coco_images_have_what_a_manifest_says() -> None:
    described = replace(image(1), external_id="shelf-1", metadata={"camera": "left"})
    row = part_row(replace(everything(1), image=described))
    assert (row["external_id"], row["metadata"]) == ("shelf-1", {"camera": "left"})
    document = json.loads(b"".join(iter_instances(lambda: [row, *rows()[1:2]], Instances({}))))
    assert document["images"] == [
        {
            "id": 101,
            "width": 6,
            "height": 4,
            "file_name": "1.png",
            "external_id": "shelf-1",
            "metadata": row["metadata"],
        },
        {"id": 102, "width": 6, "height": 4, "file_name": "2.png"},
    ]


def test_a_result_that_is_taken_over_gets_what_the_new_manifest_says() -> None:
    earlier = EarlierResult(1, uuid.uuid4(), "part", 0, 2, 6, 4, "ab", "store:1", 10, None, None)
    line = part_row(replace(everything(1), image=replace(image(1), external_id="old", metadata={"old": 1})))
    row = ReusedImage(replace(image(2), external_id="new"), earlier, line).row
    assert (row["image_id"], row["external_id"], row["masks"]) == (102, "new", line["masks"])
    assert "metadata" not in row


def test_no_masks_are_an_empty_array() -> None:
    assert json.loads(b"".join(iter_results([part_row(FAILED)]))) == []


def test_pycocotools_loads_the_export(tmp_path: Path) -> None:
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    images = [{"id": 101, "width": 6, "height": 4}, {"id": 102, "width": 6, "height": 4}]
    truth.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 1}, {"id": 7}]}))
    results.write_bytes(b"".join(iter_export(*stored(rows()), Export(ExportFormat.COCO))))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(truth)).loadRes(str(results))
    assert [annotation["score"] for annotation in loaded.dataset["annotations"]] == [0.75, 0.75, 0.75]
    assert loaded.annToMask(loaded.dataset["annotations"][2]).sum() == 24


def test_files_are_streamed_in_chunks() -> None:
    many = [part_row(everything(number)) for number in range(6000)]
    chunks = list(iter_export(*stored(many), Export(ExportFormat.COCO)))
    assert len(chunks) > 1
    assert all(len(chunk) >= CHUNK_BYTES for chunk in chunks[:-1])
    assert b"".join(chunks) == b"".join(iter_results(many))


def test_the_version_depends_on_the_parts_and_the_export() -> None:
    exports = [
        *(Export(form) for form in ExportFormat),
        Export(ExportFormat.COCO, BoxForm.OFFICIAL),
        Export(ExportFormat.INSTANCES, instances=Instances({"variant": "a"})),
        Export(ExportFormat.INSTANCES, instances=Instances({}, [{"id": 1, "name": "cat"}])),
    ]
    versions = [export.version(parts) for export in exports for parts in ([], ["a"], ["a", "b"], ["ab"])]
    assert len(set(versions)) == len(versions)
    assert Export(ExportFormat.COCO).version(["a"]) == Export(ExportFormat.COCO).version(["a"])
