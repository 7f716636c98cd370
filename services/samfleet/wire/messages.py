"""The contract between the worker and the `sam` backend: tensor names, dtypes and their meaning, in one place.

The worker packs a `SegmentRequest` and unpacks a `SegmentReply`; the backend does the reverse; the generator of
`config.pbtxt` reads `INPUTS` and `OUTPUTS`. Shapes below leave out Triton's batch dimension (always 1 per request);
every tensor is ragged, so requests that differ in shape share one dynamic batch. Empty tensors are always sent.

| input | dtype, shape | meaning |
|---|---|---|
| IMAGE | UINT8 [bytes] | the encoded image file |
| PROMPTS | INT32 [prompts, 3] | per prompt: has a box (0/1), number of points, multimask (0/1) |
| PROMPT_BOXES | FP32 [boxes, 4] | x0, y0, x1, y1 of the prompts that have one, in order |
| PROMPT_POINTS | FP32 [points, 3] | x, y, label of all prompts' points, in order |
| TASK | STRING [1] | JSON of the task's parameters (`samfleet.variants.task`) |

| output | dtype, shape | meaning |
|---|---|---|
| COUNTS | STRING [masks] | COCO RLE counts |
| BOXES | FP32 [masks, 4] | x, y, width, height |
| SCORES | FP32 [masks, 2] | predicted IoU, stability score |
| AREAS | INT64 [masks] | pixels |
| ORIGINS | FP32 [masks, 7] | prompt index (-1: none), point x, y, crop box x, y, width, height (-1: none) |
| REPORT | STRING [1] | JSON of `ImageReport` |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samfleet.errors import SamfleetError
from samfleet.masks.record import MaskRecord
from samfleet.variants.task import (
    EverythingParameters,
    Prompt,
    PromptsParameters,
    TaskParameters,
    task_from_dict,
)
from samfleet.wire.device_state import DeviceState

Arrays = dict[str, NDArray[Any]]
Dims = tuple[int, ...]

INPUTS: dict[str, tuple[str, Dims]] = {
    "IMAGE": ("TYPE_UINT8", (-1,)),
    "PROMPTS": ("TYPE_INT32", (-1, 3)),
    "PROMPT_BOXES": ("TYPE_FP32", (-1, 4)),
    "PROMPT_POINTS": ("TYPE_FP32", (-1, 3)),
    "TASK": ("TYPE_STRING", (1,)),
}
OUTPUTS: dict[str, tuple[str, Dims]] = {
    "COUNTS": ("TYPE_STRING", (-1,)),
    "BOXES": ("TYPE_FP32", (-1, 4)),
    "SCORES": ("TYPE_FP32", (-1, 2)),
    "AREAS": ("TYPE_INT64", (-1,)),
    "ORIGINS": ("TYPE_FP32", (-1, 7)),
    "REPORT": ("TYPE_STRING", (1,)),
}

Clock = Literal["host", "cuda_event"]
TASKS_KEPT = 64  # all images of a run have the same task


class WireMismatch(SamfleetError):
    """The worker and the backend use different versions of the contract; deploy the same release on both."""

    code = "wire_mismatch"


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """One image and its task; for SegEvery `prompts` is empty, or has the boxes of `object_aware`."""

    image: bytes
    task: TaskParameters
    prompts: tuple[Prompt, ...] = ()


@dataclass(frozen=True, slots=True)
class StageTime:
    """Milliseconds of one stage of an image.

    `batch_ms` is all work that the image took part in, `amortised_ms` the image's share of it. Work on a batch of
    images is shared equally, a chunk of prompts in the decoder by each image's prompts. Work for this image alone is in
    both.
    """

    amortised_ms: float
    batch_ms: float


@dataclass(frozen=True, slots=True)
class ImageReport:
    """The backend's report on one image, sent with its masks.

    `stages` has preprocess, encode, decode, postprocess. `execute_ms` is the wall time from the moment Triton handed
    over the batch to the moment this reply left; a caller's round trip minus it is Triton's queue plus transport.
    `energy_j` is this image's share of the energy that the whole device used meanwhile, None without a counter
    (`samfleet_models.device.meters.energy`). `other_load` is the share, 0 to 1, of the machine's CPU time that other
    processes used meanwhile, None if unknown (`samfleet_models.device.host_load`).

    `prompts_decoded` counts what went through the mask decoder: points of all crops and rounds, or prompts.
    `unscored_prompts` counts those with a predicted IoU that is not a finite number; no threshold passes their masks.
    `error_code` is None for a segmented image; otherwise the image could not be segmented and a retry cannot help.

    `peak_memory_bytes` is the most that tensors took on a GPU during the batch, or the process's peak resident size on
    a CPU. `peak_reserved_bytes` is the GPU memory that torch reserved for them, its cache included; None on a CPU.

    `execution` is in the notation of `samfleet.variants.execution.Execution`, `warmup_seconds` is the time of compiling
    at load, `gate` has the figures that admitted the execution (`samfleet.variants.gates.Gate.summary`). The last two
    are None for fp32.

    Fields may be added: readers ignore fields that they do not know, and missing fields have their defaults. So servers
    and workers may be updated in either order. An existing field never changes its meaning.
    """

    width: int = 0
    height: int = 0
    stages: dict[str, StageTime] = field(default_factory=dict)
    batch_size: int = 1
    clock: Clock = "host"
    warmup: bool = False
    execute_ms: float = 0.0
    peak_memory_bytes: int = 0
    peak_reserved_bytes: int | None = None
    energy_j: float | None = None
    other_load: float | None = None
    prompts_decoded: int = 0
    unscored_prompts: int = 0
    checkpoint_sha256: str = ""
    hardware: dict[str, Any] = field(default_factory=dict)
    device: DeviceState | None = None
    execution: str = "fp32"
    warmup_seconds: float | None = None
    gate: dict[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_stage: str | None = None

    def to_json(self) -> str:
        return json.dumps(_values(self), default=_values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> ImageReport:
        values = _known(cls, json.loads(text))
        values["stages"] = {name: StageTime(**stage) for name, stage in values["stages"].items()}
        if values.get("device") is not None:
            values["device"] = DeviceState(**_known(DeviceState, values["device"]))
        return cls(**values)


def _values(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass with slots; `asdict` would copy the hardware's facts for every image."""
    return {name: getattr(record, name) for name in record.__slots__}


def _known(record: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in record.__slots__}


@dataclass(frozen=True, slots=True)
class SegmentReply:
    masks: tuple[MaskRecord, ...]
    report: ImageReport


def pack_image(image: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(image, dtype=np.uint8)[None]


def pack_request(request: SegmentRequest) -> Arrays:
    """Return the tensors of a request, each with the leading batch dimension 1."""
    prompts: list[tuple[bool, int, bool]] = []
    boxes: list[tuple[float, float, float, float]] = []
    points: list[tuple[float, float, int]] = []
    for prompt in request.prompts:
        prompts.append((prompt.box is not None, len(prompt.points), prompt.multimask))
        boxes.extend([prompt.box] if prompt.box is not None else [])
        points.extend((x, y, label) for (x, y), label in zip(prompt.points, prompt.labels, strict=True))
    task = np.array([_task_text(request.task)], dtype=np.object_)
    return {
        "IMAGE": pack_image(request.image),
        "PROMPTS": np.array(prompts, dtype=np.int32).reshape(1, -1, 3),
        "PROMPT_BOXES": np.array(boxes, dtype=np.float32).reshape(1, -1, 4),
        "PROMPT_POINTS": np.array(points, dtype=np.float32).reshape(1, -1, 3),
        "TASK": task[None],
    }


def unpack_request(arrays: Arrays, defaults: EverythingParameters | None = None) -> SegmentRequest:
    """Return the request of `pack_request`'s tensors; raises `TaskInvalid` or `WireMismatch`."""
    table, boxes, points = (arrays[name][0] for name in ("PROMPTS", "PROMPT_BOXES", "PROMPT_POINTS"))
    if int(table[:, 0].sum()) != len(boxes) or int(table[:, 1].sum()) != len(points):
        raise WireMismatch("PROMPTS does not agree with PROMPT_BOXES and PROMPT_POINTS")
    prompts, box_at, point_at = [], 0, 0
    for has_box, n_points, multimask in table.tolist():
        own = points[point_at : point_at + n_points]
        prompts.append(
            Prompt(
                points=tuple((float(x), float(y)) for x, y, _ in own),
                labels=tuple(int(label) for _, _, label in own),
                box=tuple(boxes[box_at].tolist()) if has_box else None,
                multimask=bool(multimask),
            )
        )
        box_at, point_at = box_at + has_box, point_at + n_points
    task = _task_of(arrays["TASK"].reshape(-1)[0], defaults)
    return SegmentRequest(image=arrays["IMAGE"].tobytes(), task=task, prompts=tuple(prompts))


@lru_cache(TASKS_KEPT)
def _task_text(task: TaskParameters) -> bytes:
    return json.dumps(task.to_dict()).encode()


@lru_cache(TASKS_KEPT)
def _task_of(text: bytes, defaults: EverythingParameters | None) -> TaskParameters:
    return task_from_dict(json.loads(text), defaults)


def pack_reply(reply: SegmentReply) -> Arrays:
    """Return the tensors of a reply, each with the leading batch dimension 1."""
    masks = reply.masks
    counts = np.array([mask.counts.encode() for mask in masks], dtype=np.object_)
    return {
        "COUNTS": counts[None],
        "BOXES": np.array([mask.bbox for mask in masks], dtype=np.float32).reshape(1, -1, 4),
        "SCORES": np.array([(m.predicted_iou, m.stability_score) for m in masks], dtype=np.float32).reshape(1, -1, 2),
        "AREAS": np.array([mask.area for mask in masks], dtype=np.int64)[None],
        "ORIGINS": np.array([_origin(mask) for mask in masks], dtype=np.float32).reshape(1, -1, 7),
        "REPORT": np.array([[reply.report.to_json().encode()]], dtype=np.object_),
    }


def unpack_reply(arrays: Arrays) -> SegmentReply:
    """Return the reply of `pack_reply`'s tensors."""
    report = ImageReport.from_json(arrays["REPORT"].reshape(-1)[0])
    size = (report.height, report.width)
    rows = zip(
        arrays["COUNTS"].reshape(-1).tolist(),
        arrays["BOXES"].reshape(-1, 4).tolist(),
        arrays["SCORES"].reshape(-1, 2).tolist(),
        arrays["AREAS"].reshape(-1).tolist(),
        arrays["ORIGINS"].reshape(-1, 7).tolist(),
        strict=True,
    )
    return SegmentReply(tuple(_mask(size, *row) for row in rows), report)


def _origin(mask: MaskRecord) -> tuple[float, ...]:
    prompt = -1 if mask.prompt_index is None else mask.prompt_index
    return (prompt, *(mask.point_coords or (-1, -1)), *(mask.crop_box or (-1, -1, -1, -1)))


def _mask(
    size: tuple[int, int],
    counts: bytes,
    bbox: list[float],
    scores: list[float],
    area: int,
    origin: list[float],
) -> MaskRecord:
    prompt, x, y, *crop = origin
    return MaskRecord(
        counts=counts.decode(),
        size=size,
        area=area,
        bbox=(bbox[0], bbox[1], bbox[2], bbox[3]),
        predicted_iou=scores[0],
        stability_score=scores[1],
        prompt_index=None if prompt < 0 else int(prompt),
        point_coords=None if x < 0 else (x, y),
        crop_box=None if crop[2] < 0 else (int(crop[0]), int(crop[1]), int(crop[2]), int(crop[3])),
    )


__all__ = [
    "INPUTS",
    "OUTPUTS",
    "EverythingParameters",
    "ImageReport",
    "PromptsParameters",
    "SegmentReply",
    "SegmentRequest",
    "StageTime",
    "WireMismatch",
    "pack_reply",
    "pack_request",
    "unpack_reply",
    "unpack_request",
]
