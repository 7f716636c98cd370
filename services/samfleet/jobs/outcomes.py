"""Outcome of one image in a worker: the values to be recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samfleet.db.models import Outcome
from samfleet.masks.georeference import Georeference
from samfleet.masks.record import MaskRecord
from samfleet.variants.task import Prompt
from samfleet.wire.messages import ImageReport


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated instance; `bbox` is (x, y, width, height) in pixels, `segmentation` COCO polygons or RLE."""

    annotation_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: bool
    segmentation: Any


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected box; `bbox` is (x, y, width, height) in pixels."""

    detection_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True)
class FilePrompt:
    """One prompt of a prompts file, the one at `number` (from 0) of its object.

    With `relative`, the prompt's x and y are fractions of the width and height of the upright image, else pixels of it.
    """

    object_id: str
    number: int
    category_id: int | None
    prompt: Prompt
    relative: bool = False


PromptOrigin = Annotation | Detection | FilePrompt


@dataclass(frozen=True, slots=True)
class ShardImage:
    """An image of a shard.

    `annotations` are in the order of their ids, crowds included; empty if the dataset has none. `detections` are in the
    order of their ids, and `prompts` in that of the prompts file; both are empty if the task does not use them.
    `stated_size` is (width, height) in the annotations file. `external_id` and `metadata` are those of a manifest.
    """

    dataset_image_id: int
    image_id: int
    file_name: str
    uri: str
    size_bytes: int
    annotations: tuple[Annotation, ...] = ()
    detections: tuple[Detection, ...] = ()
    stated_size: tuple[int, int] | None = None
    prompts: tuple[FilePrompt, ...] = ()
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def instances(self) -> tuple[Annotation, ...]:
        """Annotations to prompt with and to compare with; crowds are excluded, because a crowd is not one object."""
        return tuple(annotation for annotation in self.annotations if not annotation.iscrowd)


@dataclass(frozen=True, slots=True)
class ImageError:
    code: str
    message: str
    stage: str


@dataclass(frozen=True, slots=True)
class Quality:
    instances: int
    iou_sum: float


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """Outcome of one image of a shard. `prompted` has the origin of each prompt, by prompt index, `prompts` the prompt.

    `report` is None if no request was sent to Triton. `round_trip_ms` is the caller's wall time of the request.
    """

    image: ShardImage
    masks: Sequence[MaskRecord] = ()
    prompted: tuple[PromptOrigin, ...] = ()
    report: ImageReport | None = None
    error: ImageError | None = None
    fetch_ms: float | None = None
    round_trip_ms: float | None = None
    quality: Quality | None = None
    prompts: tuple[Prompt, ...] = ()
    georeference: Georeference | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.SUCCEEDED if self.error is None else Outcome.FAILED

    @property
    def width(self) -> int | None:
        return self.report.width or None if self.report else None

    @property
    def height(self) -> int | None:
        return self.report.height or None if self.report else None

    @property
    def queue_triton_ms(self) -> float | None:
        """Time in Triton's queue and in transport; at least 0, because it is the difference of two clocks."""
        if self.report is None or self.round_trip_ms is None:
            return None
        return max(0.0, self.round_trip_ms - self.report.execute_ms)


def mean_of(values: Sequence[float]) -> float | None:
    """Return the mean; None of no values."""
    return math.fsum(values) / len(values) if values else None
