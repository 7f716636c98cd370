"""Short values that tools return, because an assistant reads all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from samfleet.client.predicted import Prediction
from samfleet.client.schemas import Job

T = TypeVar("T")


async def first(items: AsyncIterator[T], limit: int) -> list[T]:
    """Return the first `limit` items, and fetch no further ones."""
    found: list[T] = []
    async for item in items:
        found.append(item)
        if len(found) == limit:
            break
    return found


def variant_value(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "title", "family", "code_licence", "weights_licence", "licences_to_accept", "weights_here")
    return {name: item.get(name) for name in names}


def job_value(job: Job) -> dict[str, Any]:
    """Return a job with its runs, without the statistics of stages and evaluations."""
    names = {"id", "name", "state", "dataset_id", "task", "created_at", "finished_at", "counts", "progress"}
    value = job.model_dump(mode="json", include={*names, "images_per_second", "eta_seconds", "error", "stalled"})
    kept = {"id", "variant", "pool", "state", "counts", "masks", "images_per_second", "quality", "error"}
    return {**value, "runs": [run.model_dump(mode="json", include=kept) for run in job.runs]}


def prediction_value(prediction: Prediction, limit: int) -> dict[str, Any]:
    """Return the largest masks of a prediction without their pixels."""
    order = sorted(range(len(prediction)), key=lambda index: -prediction.records[index]["area"])[:limit]
    return {
        "variant": prediction.variant,
        "width": prediction.width,
        "height": prediction.height,
        "mask_count": len(prediction),
        "device_ms": round(prediction.device_ms, 2),
        "masks": [_mask_value(prediction, index) for index in order],
    }


def _mask_value(prediction: Prediction, index: int) -> dict[str, Any]:
    record = prediction.records[index]
    value: dict[str, Any] = {
        "mask": index,
        "box": prediction.boxes[index].tolist(),
        "area": record["area"],
        "predicted_iou": round(record["predicted_iou"], 3),
        "stability_score": round(record["stability_score"], 3),
    }
    return value | ({"object_id": record["object_id"]} if "object_id" in record else {})
