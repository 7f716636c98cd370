from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Engine

from fixtures.images.encoded_images import encoded, geotiff
from fixtures.worker.job_rows import FROM_FILE, results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, work_on_all
from samfleet.datasets.copying import PromptsRow
from samfleet.db.models import Outcome, ShardState
from samfleet.jobs.parts import read_parts
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_worker.triton.errors import InferenceRejected
from samfleet_worker.triton.memory_segmenter import MemorySegmenter, one_mask_each

TILED = {"kind": "everything", "tile": {"size": 256, "overlap": 64}}
GREYS = (60, 120, 240)


def picture() -> NDArray[np.uint8]:
    """Return an image of 600 x 300 pixels with an object per grey level; the first crosses all tiles."""
    pixels = np.zeros((300, 600), dtype=np.uint8)
    pixels[100:250, 20:580] = GREYS[0]
    pixels[10:60, 190:460] = GREYS[1]
    pixels[280:295, 5:40] = GREYS[2]
    return pixels


def mask_per_grey(variant: str, request: SegmentRequest) -> SegmentReply:
    """Segment a picture: one mask per grey level, those of large objects with the greater predicted IoU."""
    pixels = np.asarray(Image.open(io.BytesIO(request.image)).convert("L"))
    height, width = pixels.shape
    masks = []
    for grey in sorted(set(pixels.ravel().tolist()) - {0}):
        drawn = pixels == grey
        ys, xs = drawn.nonzero()
        box = (float(xs.min()), float(ys.min()), float(np.ptp(xs)), float(np.ptp(ys)))
        area = int(drawn.sum())
        masks.append(MaskRecord(encode_mask(drawn), (height, width), area, box, 1 - grey / 1000, 0.9))
    report = replace(one_mask_each(variant, request).report, width=width, height=height, prompts_decoded=7)
    return SegmentReply(tuple(masks), report)


def test_a_large_image_goes_tile_by_tile_and_its_masks_are_whole(engine: Engine) -> None:
    segmenter = MemorySegmenter(respond=mask_per_grey)
    services = make_services(engine, segmenter)
    services.store.put("uploads/picture", encoded(Image.fromarray(picture()).rotate(90, expand=True), exif=turned()))
    run = start_job(engine, services.queue, 1, uris=["store:uploads/picture"], task=TILED)
    work_on_all(services, run)
    assert len(segmenter.requests) == 6
    assert {Image.open(io.BytesIO(request.image)).size for request in segmenter.requests} == {(256, 256)}
    (result,) = results_of(engine, run)
    assert (result.outcome, result.width, result.height, result.mask_count) == (Outcome.SUCCEEDED, 600, 300, 3)
    row = next(iter(read_parts(services.store, [result.part_key])))
    assert row["prompts_decoded"] == 6 * 7
    for grey, mask in zip(GREYS, row["masks"], strict=True):
        drawn = decode_mask(mask["segmentation"]["counts"], mask["segmentation"]["size"])
        np.testing.assert_array_equal(drawn, picture() == grey)


def turned() -> Image.Exif:
    """Return EXIF data of a picture that was turned to the left."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_an_image_no_larger_than_a_tile_is_sent_as_it_is_and_keeps_its_place_on_the_earth(engine: Engine) -> None:
    pytest.importorskip("rasterio")
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    data = geotiff(np.zeros((256, 200), np.uint8))
    services.store.put("uploads/field", data)
    run = start_job(engine, services.queue, 1, uris=["store:uploads/field"], task=TILED)
    work_on_all(services, run)
    assert [request.image for request in segmenter.requests] == [data]
    row = next(iter(read_parts(services.store, [results_of(engine, run)[0].part_key])))
    assert row["georeference"] == {"crs": "EPSG:32633", "transform": [0.5, 0, 500_000, 0, -0.5, 5_000_000]}


def test_an_image_fails_whole_and_names_the_tile(engine: Engine) -> None:
    def refuse_the_small_object(request: SegmentRequest) -> None:
        if (np.asarray(Image.open(io.BytesIO(request.image)).convert("L")) == GREYS[2]).any():
            raise InferenceRejected("no")

    services = make_services(engine, MemorySegmenter(respond=mask_per_grey, before=refuse_the_small_object))
    services.store.put("uploads/picture", encoded(Image.fromarray(picture())))
    services.store.put("uploads/broken", encoded(Image.fromarray(picture()))[:300])
    uris = ["store:uploads/picture", "store:uploads/broken"]
    run = start_job(engine, services.queue, 2, uris=uris, task=TILED)
    work_on_all(services, run)
    assert shards_of(engine, run)[0].state is ShardState.DONE
    failed, broken = results_of(engine, run)
    assert (failed.error_code, failed.mask_count, failed.width) == ("inference_rejected", 0, 600)
    assert (failed.error_message or "").startswith("tile 4 of 6 (x 0 to 256, y 44 to 300): ")
    assert broken.error_code == "image_truncated"


def mask_per_prompt(variant: str, request: SegmentRequest) -> SegmentReply:
    """Segment a picture: for each prompt the pixels with about the grey of its point, or of the middle of its box."""
    pixels = np.asarray(Image.open(io.BytesIO(request.image)).convert("L")).astype(int)
    masks = []
    for index, prompt in enumerate(request.prompts):
        x0, y0, x1, y1 = prompt.box or (*prompt.points[0], *prompt.points[0])
        drawn = abs(pixels - pixels[int((y0 + y1) / 2), int((x0 + x1) / 2)]) < 25
        ys, xs = drawn.nonzero()
        box = (float(xs.min()), float(ys.min()), float(np.ptp(xs)), float(np.ptp(ys)))
        size = (pixels.shape[0], pixels.shape[1])
        masks.append(MaskRecord(encode_mask(drawn), size, int(drawn.sum()), box, 0.9, 0.9, prompt_index=index))
    report = replace(one_mask_each(variant, request).report, width=pixels.shape[1], height=pixels.shape[0])
    return SegmentReply(tuple(masks[::-1]), report)


PROMPTS: list[dict[str, Any]] = [
    {"id": "large", "prompts": [{"box": [20.0, 100.0, 580.0, 250.0], "multimask": False}]},
    {
        "id": "small",
        "prompts": [
            {"points": [[20.0, 285.0]], "labels": [1], "multimask": True},
            {"box": [5.0, 280.0, 40.0, 295.0], "multimask": False},
        ],
    },
    {"id": "wide", "category_id": 3, "prompts": [{"box": [190.0, 10.0, 460.0, 60.0], "multimask": False}]},
]
PROMPT_GREYS = (GREYS[0], GREYS[2], GREYS[2], GREYS[1])


def prompted_row(engine: Engine, segmenter: MemorySegmenter, **task: object) -> dict[str, Any]:
    """Return the row of the picture, segmented with the prompts above."""
    services = make_services(engine, segmenter)
    services.store.put("uploads/picture", encoded(Image.fromarray(picture())))
    prompted = [PromptsRow(101, "pixels", len(PROMPT_GREYS), PROMPTS)]
    uris = ["store:uploads/picture"]
    run = start_job(engine, services.queue, 1, uris=uris, prompted=prompted, task={**FROM_FILE, **task})
    work_on_all(services, run)
    (result,) = results_of(engine, run)
    assert (result.outcome, result.width, result.height, result.mask_count) == (Outcome.SUCCEEDED, 600, 300, 4)
    return dict(next(iter(read_parts(services.store, [result.part_key]))))


def test_prompts_of_a_large_image_are_answered_in_tiles_with_the_ids_of_their_objects(engine: Engine) -> None:
    segmenter = MemorySegmenter(respond=mask_per_prompt)
    row = prompted_row(engine, segmenter, tile={"size": 256, "overlap": 32})
    assert len(segmenter.requests) == 3
    assert all(max(Image.open(io.BytesIO(request.image)).size) == 256 for request in segmenter.requests)
    found = [(mask["object_id"], mask["object_prompt"], mask["prompt_index"]) for mask in row["masks"]]
    assert found == [("large", 0, 0), ("small", 0, 1), ("small", 1, 2), ("wide", 0, 3)]
    assert row["masks"][0]["prompt_box"] == [20, 100, 560, 150]
    for grey, mask in zip(PROMPT_GREYS, row["masks"], strict=True):
        drawn = decode_mask(mask["segmentation"]["counts"], mask["segmentation"]["size"])
        expected = picture() == grey
        assert (drawn & expected).sum() >= 0.95 * (drawn | expected).sum()
        assert mask["area"] == drawn.sum()
        ys, xs = drawn.nonzero()
        assert mask["bbox"] == [xs.min(), ys.min(), np.ptp(xs), np.ptp(ys)]
        if grey == GREYS[2]:
            np.testing.assert_array_equal(drawn, expected)


def test_prompts_on_an_image_that_fits_one_tile_are_sent_as_without_tiles(engine: Engine) -> None:
    segmenter = MemorySegmenter(respond=mask_per_prompt)
    row = prompted_row(engine, segmenter, tile={"size": 600})
    prompts = tuple(
        Prompt(
            tuple(tuple(point) for point in prompt.get("points", ())),
            tuple(prompt.get("labels", ())),
            tuple(prompt["box"]) if "box" in prompt else None,
            prompt["multimask"],
        )
        for one in PROMPTS
        for prompt in one["prompts"]
    )
    parameters = PromptsParameters(masks="best")
    assert segmenter.requests == [SegmentRequest(encoded(Image.fromarray(picture())), parameters, prompts)]
    assert [mask["object_id"] for mask in row["masks"]] == ["wide", "small", "small", "large"]
    assert not any("crop_box" in mask for mask in row["masks"])
