"""Messages of a prediction: a request has a JSON header and the image file, a reply is JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from samfleet.errors import SamfleetError
from samfleet.masks.record import MaskRecord
from samfleet.predictions.errors import error_of, told
from samfleet.variants.task import Prompt, PromptMask, task_from_dict
from samfleet.wire.messages import ImageReport, SegmentRequest

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """An image with its task, for a variant. `correlation_id` is that of the client's request."""

    variant: str
    request: SegmentRequest
    correlation_id: str = ""

    def to_bytes(self) -> bytes:
        prompts = [asdict(one) for one in self.request.prompts]
        task, correlation = self.request.task.to_dict(), self.correlation_id
        header = {"variant": self.variant, "task": task, "prompts": prompts, "correlation_id": correlation}
        text = json.dumps(header).encode()
        return _LENGTH.pack(len(text)) + text + self.request.image

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        header = json.loads(data[_LENGTH.size : end])
        prompts = tuple(_prompt(fields) for fields in header["prompts"])
        request = SegmentRequest(data[end:], task_from_dict(header["task"]), prompts)
        return cls(header["variant"], request, header["correlation_id"])


@dataclass(frozen=True, slots=True)
class PredictionReply:
    """Masks and report of an image. `round_trip_ms` is the worker's wall time of the request to Triton."""

    masks: Sequence[MaskRecord]
    report: ImageReport
    round_trip_ms: float

    def to_bytes(self) -> bytes:
        masks = [mask.to_dict() for mask in self.masks]
        report = json.loads(self.report.to_json())
        return json.dumps({"masks": masks, "report": report, "round_trip_ms": self.round_trip_ms}).encode()


def error_bytes(error: SamfleetError) -> bytes:
    return json.dumps({"error": told(error)}).encode()


def read_reply(data: bytes) -> PredictionReply:
    """Return the reply; raises the error that it has instead."""
    fields = json.loads(data)
    if "error" in fields:
        raise error_of(fields["error"])
    masks = tuple(MaskRecord.from_dict(mask) for mask in fields["masks"])
    return PredictionReply(masks, ImageReport.from_json(json.dumps(fields["report"])), fields["round_trip_ms"])


def _prompt(fields: dict[str, Any]) -> Prompt:
    box, mask = fields["box"], fields["mask"]
    return Prompt(
        points=tuple((x, y) for x, y in fields["points"]),
        labels=tuple(fields["labels"]),
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        multimask=fields["multimask"],
        mask=None if mask is None else PromptMask((mask["size"][0], mask["size"][1]), mask["counts"]),
    )
