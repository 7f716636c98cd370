"""A variant without a model: fixed masks after a fixed time, to measure everything around the model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import torch

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.transforms import Resized
from samfleet_models.images.whole_image import WholeImage
from samfleet_models.modeling.common import Features

SIZES_KEPT = 64  # sizes of images whose masks are kept


class FixedNetwork:
    """The answers of a record's `delay_ms` and `masks`. The images of a batch take their time one after another."""

    def __init__(self, record: VariantRecord, execution: Execution | None = None) -> None:
        self.execution = execution or Execution()
        self.processor = WholeImage(record)
        self.device = torch.device("cpu")
        self._delay_seconds = cast("float", record.architecture["delay_ms"]) / 1000
        self._masks = cast("int", record.architecture["masks"])

    def load(self, files: Mapping[str, Path]) -> None:
        """Load nothing: the record has all facts."""

    def to(self, device: torch.device) -> Self:
        self.device = device
        return self

    def warm_up(self) -> float | None:
        return None

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        with clock.measure("encode"):
            if self._delay_seconds:  # even a sleep of 0 s leaves the processor to others
                time.sleep(self._delay_seconds * len(resized))
        return [() for _ in resized]

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        del features
        yield from ()  # a generator without decode requests
        size = image.frame.original
        with clock.measure("postprocess"):
            if isinstance(request.task, EverythingParameters) and not request.task.prompted:
                return fixed_masks(size, self._masks)
            found = enumerate(request.prompts)
            return tuple(replace(_square(size, *_place(prompt, size)), prompt_index=index) for index, prompt in found)

    @property
    def decoder(self) -> Decoder:
        raise TypeError("a variant without a model has no decoder: its tasks yield no decode requests")

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        del asked, points
        return 1

    @property
    def graph_bytes(self) -> int:
        return 0

    def release_memory(self) -> None:
        """Release nothing: there is no memory on the device."""


@lru_cache(SIZES_KEPT)
def fixed_masks(size: tuple[int, int], count: int) -> tuple[MaskRecord, ...]:
    """Return `count` squares of a sixteenth of the image's shorter side, spread over an image of (height, width)."""
    height, width = size
    side = max(1, min(height, width) // 16)
    columns = max(1, width // side)
    places = ((index % columns * side, index // columns * side % max(1, height - side + 1)) for index in range(count))
    return tuple(_square(size, x, y, min(x + side, width), y + side) for x, y in places)


def _place(prompt: Prompt, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of a prompt, or a pixel at its first point, within the image and not empty: x0, y0, x1, y1."""
    height, width = size
    x0, y0, x1, y1 = prompt.box or (*prompt.points[0], *prompt.points[0])
    left, top = min(max(0, int(x0)), width - 1), min(max(0, int(y0)), height - 1)
    return left, top, min(max(left + 1, int(x1)), width), min(max(top + 1, int(y1)), height)


def _square(size: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> MaskRecord:
    mask = np.zeros(size, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return MaskRecord(
        counts=encode_mask(mask),
        size=size,
        area=(x1 - x0) * (y1 - y0),
        bbox=(float(x0), float(y0), float(x1 - 1 - x0), float(y1 - 1 - y0)),
        predicted_iou=1.0,
        stability_score=1.0,
    )
