"""Requests and replies of the worker and the `sam` backend; `samfleet.wire.tensors` has their form on the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from samfleet.masks.record import MaskRecord
from samfleet.variants.task import Prompt, TaskParameters
from samfleet.wire.device_state import DeviceState

Clock = Literal["host", "cuda_event"]


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
    over the batch to the moment the reply to this image's request left; a caller's round trip minus it is Triton's
    queue plus transport.
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
    known = _names(record)
    return {name: value for name, value in values.items() if name in known}


@cache
def _names(record: Any) -> frozenset[str]:
    return frozenset(record.__slots__)


@dataclass(frozen=True, slots=True)
class SegmentReply:
    masks: Sequence[MaskRecord]
    report: ImageReport
