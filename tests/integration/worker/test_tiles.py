from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Engine

from fixtures.images.encoded_images import encoded, geotiff
from fixtures.worker.job_rows import results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, work_on_all
from samfleet.db.models import Outcome, ShardState
from samfleet.jobs.parts import read_parts
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
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
