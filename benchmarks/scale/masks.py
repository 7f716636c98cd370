"""Recording of made-up masks through the worker's own functions, and their download."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
from sqlalchemy import Engine, select

from benchmarks.scale.folder import SIZE
from samfleet.db.models import Run, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.claim import ClaimedShard, claim
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.outcomes import ImageError, ImageOutcome, ShardImage
from samfleet.jobs.parts import part_key, part_rows
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.store import ObjectStore
from samfleet.wire.messages import ImageReport, StageTime

MASKS_PER_IMAGE = 10
FAILING = 997  # an image whose number this divides has failed
LEASE = timedelta(hours=1)
IN_FLIGHT = 4
FORMS = ("coco", "instances", "jsonl")


def record_masks(engine: Engine, store: ObjectStore, run_id: uuid.UUID, images: int) -> dict[str, Any]:
    """Claim and record shards of the run until `images` images have rows; return the figures."""
    queue, recorded = MemoryTaskQueue(), 0
    start = time.perf_counter()
    while recorded < images and (claimed := _claim_next(engine, queue, run_id)) is not None:
        outcomes = [_outcome(image) for image in claimed.images]
        key = part_key(claimed.run_id, claimed.index, claimed.token)
        size = write_jsonl_zst(store, key, part_rows(store, outcomes, claimed.previous_part))
        stored: dict[str, Any] = {"part_key": key, "part_bytes": size, "store_ms": 0.1}
        with transaction(engine) as session:
            record(session, queue, claimed, outcomes, **stored, shards_in_flight=IN_FLIGHT)
        queue.sent.clear()
        recorded += len(outcomes)
    seconds = time.perf_counter() - start
    with transaction(engine) as session:
        run = session.get_one(Run, run_id)
    return {
        "images": recorded,
        "failed": run.failed,
        "masks": run.masks,
        "seconds": round(seconds, 1),
        "images_per_second": round(recorded / seconds, 1),
    }


def download(client: httpx.Client, run_id: uuid.UUID) -> dict[str, Any]:
    """Download the results in each format; return bytes and seconds of each. Nothing is kept."""
    found = {}
    for form in FORMS:
        start, size, first = time.perf_counter(), 0, 0.0
        with client.stream("GET", f"/v1/runs/{run_id}/results", params={"format": form}, timeout=600) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                first = first or time.perf_counter() - start
                size += len(chunk)
        seconds = time.perf_counter() - start
        found[form] = {
            "bytes": size,
            "first_byte_ms": round(1e3 * first, 1),
            "seconds": round(seconds, 1),
        }
    return found


def _claim_next(engine: Engine, queue: MemoryTaskQueue, run_id: uuid.UUID) -> ClaimedShard | None:
    with transaction(engine) as session:
        dispatch_run(session, queue, run_id, IN_FLIGHT)
    query = select(Shard.id).where(Shard.run_id == run_id, Shard.state == ShardState.QUEUED)
    with transaction(engine) as session:
        shard_id = session.scalars(query.order_by(Shard.index).limit(1)).one_or_none()
        return None if shard_id is None else claim(session, shard_id, "benchmark", LEASE)


def _outcome(image: ShardImage) -> ImageOutcome:
    if image.image_id % FAILING == 0:
        return ImageOutcome(image, error=ImageError("image_truncated", "the file ends early", "preprocess"))
    stages = {name: StageTime(1.0, 2.0) for name in ("preprocess", "encode", "decode", "postprocess")}
    hardware = {"device_kind": "cpu", "device_name": "made up"}
    report = ImageReport(*SIZE, stages=stages, batch_size=2, execute_ms=4.0, hardware=hardware)
    return ImageOutcome(image, MASKS, report=report, fetch_ms=0.5, round_trip_ms=6.0)


def _masks() -> Iterator[MaskRecord]:
    width, height = SIZE
    for number in range(MASKS_PER_IMAGE):
        bits = np.zeros((height, width), dtype=np.bool_)
        bits[2 : 12 + number, number : number + 16 : 2] = True  # stripes, so that the codes have many runs
        yield MaskRecord(
            counts=encode_mask(bits),
            size=(height, width),
            area=int(bits.sum()),
            bbox=(number, 2, 14, 9 + number),
            predicted_iou=0.9,
            stability_score=0.95,
            point_coords=(8.0, 10.0),
            crop_box=(0, 0, width, height),
        )


MASKS = tuple(_masks())
