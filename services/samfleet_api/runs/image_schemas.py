from __future__ import annotations

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import ImageResult, Outcome
from samfleet.db.models import Run as RunRow
from samfleet_api.runs.image_figures import ListedOutcome
from samfleet_api.runs.image_listing import ListedImage
from samfleet_api.runs.schemas import RUN_EXAMPLE


class ImageOfRun(BaseModel):
    """An image in a run's list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image_id": 139,
                    "file_name": "000000000139.jpg",
                    "outcome": "succeeded",
                    "mask_count": 20,
                    "error_code": None,
                    "image_ms": 46.7,
                    "predicted_iou": 0.93,
                    "iou": 0.81,
                }
            ]
        }
    )

    image_id: int
    file_name: str
    outcome: ListedOutcome = Field(description="`pending`: no result is recorded.")
    mask_count: int | None = Field(description="Null while the image is pending.")
    error_code: str | None = Field(description="Error of a failed image; reading the image returns the message.")
    image_ms: float | None = Field(
        description="Sum of all stages except the queue; null unless the image succeeded, or if its result was reused."
    )
    predicted_iou: float | None = Field(
        description="Mean of the masks' predicted IoU; null without masks, and for results of older versions."
    )
    iou: float | None = Field(
        description="Mean IoU with the image's annotated instances; null without annotations or prompts from them."
    )

    @classmethod
    def of(cls, listed: ListedImage) -> ImageOfRun:
        return cls(
            image_id=listed.image_id,
            file_name=listed.file_name,
            outcome=ListedOutcome(listed.outcome) if listed.outcome else ListedOutcome.PENDING,
            mask_count=listed.mask_count,
            error_code=listed.error_code,
            image_ms=listed.image_ms,
            predicted_iou=listed.predicted_iou,
            iou=listed.iou,
        )


class StageTime(BaseModel):
    ms: float = Field(description="This image's share.")
    batch_ms: float | None = Field(description="The whole batch; null for stages that work image by image.")


class ImageError(BaseModel):
    code: str
    message: str
    stage: str | None


class RunImage(BaseModel):
    """Result of one image in a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": RUN_EXAMPLE["id"],
                    "image_id": 139,
                    "file_name": "000000000139.jpg",
                    "outcome": "succeeded",
                    "width": 640,
                    "height": 426,
                    "masks": [
                        {
                            "segmentation": {"size": [426, 640], "counts": "PPYo0"},
                            "area": 1200,
                            "bbox": [10, 10, 40, 30],
                            "predicted_iou": 0.97,
                            "stability_score": 0.98,
                            "point_coords": [[30.5, 24.0]],
                            "crop_box": [0, 0, 640, 426],
                        }
                    ],
                    "error": None,
                    "stages": {"encode": {"ms": 7.9, "batch_ms": 63.2}},
                    "round_trip_ms": 131.4,
                    "batch_size": 8,
                    "clock": "cuda_event",
                    "warmup": False,
                    "peak_memory_bytes": 912000000,
                    "peak_reserved_bytes": 1610612736,
                    "energy_j": 0.61,
                    "other_load": 0.04,
                    "hardware_id": "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0",
                    "checkpoint_sha256": "6dbb90523a35330f",
                    "reused_from": None,
                    "code_licence": "Apache-2.0",
                    "weights_licence": "Apache-2.0",
                }
            ]
        }
    )

    run_id: uuid.UUID
    image_id: int
    file_name: str
    outcome: Outcome
    width: int | None
    height: int | None
    masks: list[dict[str, Any]] = Field(
        description="Masks as COCO RLE with the generator's fields; `bbox` in pixels: x, y, width, height."
    )
    error: ImageError | None
    stages: dict[str, StageTime]
    round_trip_ms: float | None = Field(
        description="From the request to Triton until its reply, with the queue there and the batch's other images; "
        "null without a request."
    )
    batch_size: int | None
    clock: str | None
    warmup: bool | None
    peak_memory_bytes: int | None = Field(
        description="Peak tensor memory on a GPU during the batch; on a CPU, the peak resident memory of the process."
    )
    peak_reserved_bytes: int | None = Field(
        description="Peak GPU memory that torch reserved during the batch, including its cache; null on a CPU. Neither "
        "value includes the CUDA context or the memory of libraries and ONNX Runtime."
    )
    energy_j: float | None = Field(
        description="This image's share of the energy that the whole device used, in joules; null if the device does "
        "not measure it."
    )
    other_load: float | None = Field(
        description="Share of the machine's CPU time, 0 to 1, that other processes used meanwhile; null if unknown."
    )
    hardware_id: uuid.UUID | None
    checkpoint_sha256: str | None
    reused_from: uuid.UUID | None = Field(
        description="The run that computed the masks, if they were taken over; then there are no times or hardware."
    )
    code_licence: str
    weights_licence: str

    @classmethod
    def of(cls, run: RunRow, result: ImageResult, file_name: str, masks: list[dict[str, Any]]) -> RunImage:
        error = None
        if result.error_code is not None:
            error = ImageError(code=result.error_code, message=result.error_message or "", stage=result.error_stage)
        return cls(
            run_id=result.run_id,
            image_id=result.image_id,
            file_name=file_name,
            outcome=result.outcome,
            width=result.width,
            height=result.height,
            masks=masks,
            error=error,
            stages=_stages(result),
            round_trip_ms=result.round_trip_ms,
            batch_size=result.batch_size,
            clock=result.clock,
            warmup=result.warmup,
            peak_memory_bytes=result.peak_memory_bytes,
            peak_reserved_bytes=result.peak_reserved_bytes,
            energy_j=result.energy_j,
            other_load=result.other_load,
            hardware_id=result.hardware_id,
            checkpoint_sha256=result.checkpoint_sha256,
            reused_from=result.reused_from,
            code_licence=run.provenance.get("code_licence", ""),
            weights_licence=run.provenance.get("weights_licence", ""),
        )


def _stages(result: ImageResult) -> dict[str, StageTime]:
    queued = [part for part in (result.queue_shard_ms, result.queue_triton_ms) if part is not None]
    times: dict[str, tuple[float | None, float | None]] = {
        "queue": (sum(queued) if queued else None, None),
        "fetch": (result.fetch_ms, None),
        "preprocess": (result.preprocess_ms, result.preprocess_batch_ms),
        "encode": (result.encode_ms, result.encode_batch_ms),
        "decode": (result.decode_ms, result.decode_batch_ms),
        "postprocess": (result.postprocess_ms, result.postprocess_batch_ms),
        "store": (result.store_ms, None),
    }
    return {name: StageTime(ms=ms, batch_ms=batch) for name, (ms, batch) in times.items() if ms is not None}
