"""Part files: one zstd JSONL object per shard attempt, one line per image in position order.

The key carries the fencing token, so two attempts never write the same object and a loser's part is only an orphan.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from samfleet.jobs.results import ImageOutcome
from samfleet.storage.jsonl import read_jsonl_zst
from samfleet.storage.store import ObjectStore


def run_prefix(run_id: uuid.UUID) -> str:
    return f"runs/{run_id}/"


def parts_prefix(run_id: uuid.UUID) -> str:
    return f"{run_prefix(run_id)}parts/"


def part_key(run_id: uuid.UUID, shard_index: int, token: int) -> str:
    return f"{parts_prefix(run_id)}{shard_index:06d}-{token}.jsonl.zst"


def part_row(outcome: ImageOutcome) -> dict[str, Any]:
    """One image's line. A prompted mask carries the category and annotation that its prompt came from."""
    image, error = outcome.image, outcome.error
    masks: list[dict[str, Any]] = []
    for mask in outcome.masks:
        fields = mask.to_dict()
        if mask.prompt_index is not None and outcome.prompted:
            annotation = outcome.prompted[mask.prompt_index]
            fields |= {"category_id": annotation.category_id, "annotation_id": annotation.annotation_id}
        masks.append(fields)
    return {
        "dataset_image_id": image.dataset_image_id,
        "image_id": image.image_id,
        "file_name": image.file_name,
        "outcome": outcome.outcome.value,
        "width": outcome.width,
        "height": outcome.height,
        "masks": masks,
        "error": {"code": error.code, "message": error.message, "stage": error.stage} if error else None,
    }


def read_parts(store: ObjectStore, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    for key in keys:
        yield from read_jsonl_zst(store, key)
