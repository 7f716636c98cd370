"""Part files: one zstd JSONL object per shard attempt, one line per image in position order.

The key contains the fencing token, so two attempts never write the same object; the part of an attempt that lost its
lease is an orphan.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from samfleet.jobs.file_prompts import sent_prompt
from samfleet.jobs.outcomes import Annotation, FilePrompt, ImageOutcome, PromptOrigin, ShardImage
from samfleet.masks.record import MaskRecord
from samfleet.storage.jsonl import read_jsonl_zst
from samfleet.storage.store import ObjectStore
from samfleet.variants.task import Prompt
from samfleet.wire.packed_masks import PackedMasks

OF_MANIFEST = ("external_id", "metadata")  # members of a line that an image without them lacks


def run_prefix(run_id: uuid.UUID) -> str:
    return f"runs/{run_id}/"


def parts_prefix(run_id: uuid.UUID) -> str:
    return f"{run_prefix(run_id)}parts/"


def part_key(run_id: uuid.UUID, shard_index: int, token: int) -> str:
    return f"{parts_prefix(run_id)}{shard_index:06d}-{token}.jsonl.zst"


def part_row(outcome: ImageOutcome) -> dict[str, Any]:
    """Return the line of one image.

    A prompted mask has the category and the annotation, detection or object of its prompt, and the points of a point
    prompt as `prompt_points`: [[x, y], …] in pixels of the upright image. These are foreground, unless a prompt of a
    file has `prompt_labels`. Its box is `prompt_box`, as for a detection: x, y, width, height. Only an image with a
    place on the earth has `georeference`.
    """
    image, error = outcome.image, outcome.error
    masks = _mask_fields(outcome.masks)
    for fields in masks:
        index = fields.get("prompt_index")
        if index is not None and outcome.prompted:
            prompt = outcome.prompts[index] if outcome.prompts else None
            fields.update(_origin(outcome.prompted[index], prompt))
    place = {"georeference": outcome.georeference.to_dict()} if outcome.georeference else {}
    return {
        **about_image(image),
        "outcome": outcome.outcome.value,
        "width": outcome.width,
        "height": outcome.height,
        **place,
        "prompts_decoded": outcome.report.prompts_decoded if outcome.report else None,
        "masks": masks,
        "error": {"code": error.code, "message": error.message, "stage": error.stage} if error else None,
    }


def _mask_fields(masks: Sequence[MaskRecord]) -> list[dict[str, Any]]:
    return masks.to_dicts() if isinstance(masks, PackedMasks) else [mask.to_dict() for mask in masks]


def about_image(image: ShardImage) -> dict[str, Any]:
    """Return what the line of an image says about it: ids, name and, if it has them, those of its manifest."""
    stated = {"external_id": image.external_id, "metadata": image.metadata}
    return {
        "dataset_image_id": image.dataset_image_id,
        "image_id": image.image_id,
        "file_name": image.file_name,
        **{name: value for name, value in stated.items() if value is not None},
    }


def part_rows(store: ObjectStore, outcomes: Sequence[ImageOutcome], previous: str | None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a part. A retried shard keeps the lines of its `previous` part for all other images."""
    if previous is None:
        yield from map(part_row, outcomes)  # one at a time, because their masks are many small objects
        return
    made = {outcome.image.dataset_image_id: part_row(outcome) for outcome in outcomes}
    for row in read_jsonl_zst(store, previous):
        yield made.get(row["dataset_image_id"], row)


def _origin(prompted: PromptOrigin, prompt: Prompt | None) -> dict[str, Any]:
    if isinstance(prompted, FilePrompt):
        return sent_prompt(prompted, prompt or prompted.prompt)
    points = {"prompt_points": [list(point) for point in prompt.points]} if prompt and prompt.points else {}
    if isinstance(prompted, Annotation):
        return {"category_id": prompted.category_id, "annotation_id": prompted.annotation_id, **points}
    return {
        "category_id": prompted.category_id,
        "detection_id": prompted.detection_id,
        "detection_score": prompted.score,
        "prompt_box": list(prompted.bbox),
    }


def read_parts(store: ObjectStore, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    for key in keys:
        yield from read_jsonl_zst(store, key)
