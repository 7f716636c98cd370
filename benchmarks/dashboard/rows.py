"""A run whose images share 64 pictures and their masks, after an image of 12 megapixels with many masks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.mask import area, frPyObjects, toBbox
from sqlalchemy import Engine, select, text

from samfleet.db.models import (
    Dataset,
    DatasetSource,
    DatasetState,
    Job,
    JobState,
    Run,
    RunState,
    Tenant,
)
from samfleet.db.session import transaction
from samfleet.jobs.parts import part_key
from samfleet.masks.record import MaskRecord
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.store import ObjectStore

PICTURES = 64
PART = 384  # images of a shard
SMALL, LARGE = (480, 640), (3000, 4000)  # height and width in pixels
MASKS = 20
IMAGES_INTO = text(
    "INSERT INTO dataset_images (dataset_id, position, image_id, file_name, uri, size_bytes) "
    "SELECT :dataset, n, n + 1, 'shelf-' || lpad(n::text, 7, '0') || '.jpg', "
    "CASE n WHEN 0 THEN :large ELSE :folder || (n % :pictures) || '.jpg' END, 1 "
    "FROM generate_series(0, :count - 1) AS n"
)
SHARD_SECONDS = 12
SHARDS_INTO = text(
    "INSERT INTO shards (run_id, index, first_position, last_position, state, token, attempts, suspect, progress, "
    "part_key, claimed_at, first_claimed_at, finished_at) "
    "SELECT :run, n, n * :size, least((n + 1) * :size, :count) - 1, 'done', 1, 0, false, 0, "
    "replace(:part, '000000', lpad(n::text, 6, '0')), at, at, at + make_interval(secs => :seconds) "
    "FROM generate_series(0, (:count - 1) / :size) AS n, "
    "LATERAL (SELECT now() - interval '2 hours' + make_interval(secs => n * :seconds) AS at) AS claimed"
)
RESULTS_INTO = text(
    "INSERT INTO image_results (run_id, dataset_image_id, image_id, shard_id, outcome, part_key, part_line, "
    "mask_count, width, height, decode_ms) "
    "SELECT :run, i.id, image_id, s.id, 'succeeded', part_key, position % :size, "
    "CASE position WHEN 0 THEN :many ELSE :masks END, CASE position WHEN 0 THEN 4000 ELSE 640 END, "
    "CASE position WHEN 0 THEN 3000 ELSE 480 END, 40 + position % 97 "
    "FROM dataset_images AS i JOIN shards AS s ON s.run_id = :run AND s.index = position / :size "
    "WHERE dataset_id = :dataset"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    job_id: uuid.UUID
    run_id: uuid.UUID


def load(engine: Engine, store: ObjectStore, folder: Path, images: int, masks: int) -> Loaded:
    """Insert a finished run of `images` images, of which the first one has `masks` masks."""
    random = np.random.default_rng(1)
    _pictures(random, folder)
    with transaction(engine) as session:
        tenant = session.scalars(select(Tenant)).one()
        dataset = Dataset(tenant_id=tenant.id, name="shelves", source=DatasetSource.DIRECTORY)
        dataset.image_count, dataset.state = images, DatasetState.SEALED
        session.add(dataset)
        session.flush()
        job = Job(tenant_id=tenant.id, dataset_id=dataset.id, task={"kind": "everything"}, image_count=images)
        job.state, job.request_sha256, job.name = JobState.COMPLETED, "0" * 64, "all shelves"
        session.add(job)
        session.flush()
        run = Run(job_id=job.id, variant="mobile_sam", pool="default", total=images, task={"kind": "everything"})
        run.state, run.succeeded, run.masks = RunState.COMPLETED, images, MASKS * (images - 1) + masks
        session.add(run)
        session.flush()
        of_run = {"run": run.id, "size": PART}
        shards = {**of_run, "count": images, "part": part_key(run.id, 0, 1), "seconds": SHARD_SECONDS}
        session.execute(SHARDS_INTO, shards)
        uris = {"large": (folder / "large.jpg").as_uri(), "folder": f"{folder.as_uri()}/"}
        session.execute(IMAGES_INTO, {"dataset": dataset.id, "count": images, "pictures": PICTURES, **uris})
        session.execute(RESULTS_INTO, {**of_run, "dataset": dataset.id, "masks": MASKS, "many": masks})
        _parts(random, store, run.id, images, masks)
        loaded = Loaded(job.id, run.id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE image_results"))
        connection.execute(text("VACUUM ANALYZE dataset_images"))
    return loaded


def _pictures(random: np.random.Generator, folder: Path) -> None:
    """Write photographs of coloured noise, which compresses about as little as a photograph."""
    for name, (height, width) in {**{str(number): SMALL for number in range(PICTURES)}, "large": LARGE}.items():
        coarse = random.integers(0, 255, (height // 20, width // 20, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height)).save(folder / f"{name}.jpg", quality=90)


def _parts(random: np.random.Generator, store: ObjectStore, run_id: uuid.UUID, images: int, masks: int) -> None:
    usual = [[mask.to_dict() for mask in _masks(random, SMALL, MASKS)] for _ in range(PICTURES)]
    many = [mask.to_dict() for mask in _masks(random, LARGE, masks)]
    for start in range(0, images, PART):
        positions = range(start, min(start + PART, images))
        lines = ({"image_id": at + 1, "masks": usual[at % PICTURES] if at else many} for at in positions)
        write_jsonl_zst(store, part_key(run_id, start // PART, 1), lines)


def _masks(random: np.random.Generator, size: tuple[int, int], count: int) -> Iterator[MaskRecord]:
    """Yield discs of different sizes, larger ones first."""
    height, width = size
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for number in range(count):
        radius = max(4.0, height / 4 * (1 - number / count) ** 4)
        x, y = random.uniform(radius, width - radius), random.uniform(radius, height - radius)
        outline = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        (encoded,) = frPyObjects([outline.ravel().tolist()], height, width)
        left, top, across, down = toBbox(encoded).tolist()
        yield MaskRecord(
            counts=encoded["counts"].decode(),
            size=size,
            area=int(area(encoded)),
            bbox=(left, top, across - 1, down - 1),
            predicted_iou=float(random.uniform(0.88, 1.0)),
            stability_score=float(random.uniform(0.95, 1.0)),
            point_coords=(x, y),
            crop_box=(0, 0, width, height),
        )
