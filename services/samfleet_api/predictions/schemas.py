from __future__ import annotations

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from samfleet.datasets.prompt_lines import Coordinates
from samfleet.jobs.file_prompts import sent_prompt
from samfleet.jobs.outcomes import FilePrompt
from samfleet.predictions.messages import PredictionReply
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import Prompt
from samfleet_api.schemas import RequestModel, StorableText

MOST_OBJECTS = 10_000


class Predict(RequestModel):
    """An image to segment now: the file of the form, or an image of a dataset."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "variant": "mobile_sam",
                    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                    "image_id": 139,
                    "objects": [{"points": [[310, 204]]}, {"id": "jar", "box": [10, 5, 90, 60]}],
                }
            ]
        }
    )

    variant: StorableText
    pool: StorableText | None = Field(default=None, description="By default the first one.")
    dataset_id: uuid.UUID | None = Field(default=None, description="A sealed dataset, with `image_id`.")
    image_id: int | None = Field(default=None, ge=0, lt=2**63, strict=True)
    task: dict[str, Any] | None = Field(
        default=None, description="Task of SegEvery, as of a job; by default the variant's. Not with `objects`."
    )
    objects: list[dict[str, Any]] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_OBJECTS,
        description="Objects as in a prompts file (points, labels, box, mask, prompts); without `id` they are 1, 2, "
        "3, …",
    )
    coordinates: Coordinates = Field(default="pixels", description="`pixels`, or `relative` to the width and height.")

    @model_validator(mode="after")
    def _check(self) -> Predict:
        if (self.dataset_id is None) != (self.image_id is None):
            raise ValueError("dataset_id and image_id belong together; give both or none of them")
        if self.task is not None and self.objects is not None:
            raise ValueError("give task for SegEvery or objects for SegAny, not both")
        return self


class StageMs(BaseModel):
    ms: float = Field(description="This image's share.")
    batch_ms: float = Field(description="The whole batch.")


class Prediction(BaseModel):
    """Masks of one image. Nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "variant": "mobile_sam",
                    "pool": "default",
                    "width": 640,
                    "height": 426,
                    "masks": [
                        {
                            "segmentation": {"size": [426, 640], "counts": "PPYo0"},
                            "area": 1200,
                            "bbox": [10, 10, 40, 30],
                            "predicted_iou": 0.97,
                            "stability_score": 0.98,
                            "prompt_index": 0,
                            "object_id": "jar",
                            "object_prompt": 0,
                            "prompt_box": [10, 5, 80, 55],
                        }
                    ],
                    "stages": {"encode": {"ms": 7.9, "batch_ms": 7.9}},
                    "queue_ms": 1.2,
                    "batch_size": 1,
                    "clock": "cuda_event",
                    "warmup": False,
                    "execution": "fp32",
                    "prompts_decoded": 2,
                    "hardware": {"device_kind": "cuda", "device_name": "NVIDIA L4"},
                    "checkpoint_sha256": "6dbb90523a35330f",
                    "code_licence": "Apache-2.0",
                    "weights_licence": "Apache-2.0",
                }
            ]
        }
    )

    variant: str
    pool: str
    width: int
    height: int
    masks: list[dict[str, Any]] = Field(description="Masks as in the result of an image of a run.")
    stages: dict[str, StageMs]
    queue_ms: float = Field(description="Time in Triton's queue and in transport to it.")
    batch_size: int
    clock: str
    warmup: bool
    execution: str
    prompts_decoded: int
    hardware: dict[str, Any]
    checkpoint_sha256: str
    code_licence: str
    weights_licence: str

    @classmethod
    def of(
        cls,
        record: VariantRecord,
        pool: str,
        reply: PredictionReply,
        origins: tuple[FilePrompt, ...],
        prompts: tuple[Prompt, ...],
    ) -> Prediction:
        report, masks = reply.report, []
        for mask in reply.masks:
            fields = mask.to_dict()
            if mask.prompt_index is not None and origins:
                fields |= sent_prompt(origins[mask.prompt_index], prompts[mask.prompt_index])
            masks.append(fields)
        return cls(
            variant=record.name,
            pool=pool,
            width=report.width,
            height=report.height,
            masks=masks,
            stages={
                name: StageMs(ms=stage.amortised_ms, batch_ms=stage.batch_ms) for name, stage in report.stages.items()
            },
            queue_ms=max(0.0, reply.round_trip_ms - report.execute_ms),
            batch_size=report.batch_size,
            clock=report.clock,
            warmup=report.warmup,
            execution=report.execution,
            prompts_decoded=report.prompts_decoded,
            hardware=report.hardware,
            checkpoint_sha256=report.checkpoint_sha256,
            code_licence=str(record.provenance.get("code_licence", "")),
            weights_licence=str(record.provenance.get("weights_licence", "")),
        )
