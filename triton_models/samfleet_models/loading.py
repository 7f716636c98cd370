"""The host's share of a batch: files decoded and resized in parallel, tasks checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.masks.wire import SegmentRequest
from samfleet.variants.task import EverythingParameters, TaskInvalid
from samfleet_models.chunks import NotEnoughMemory, attempt
from samfleet_models.images import read_image
from samfleet_models.preprocess import Frame, resize_to_frame


class OutOfMemory(SamfleetError):
    """The image does not fit into the device's memory; lower points_per_batch or scale the image down."""

    code = "out_of_memory"


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An upright image, HWC uint8 RGB, and the same resized into its frame."""

    pixels: NDArray[np.uint8]
    resized: NDArray[np.uint8]
    frame: Frame


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one image of a batch has no masks, and the stage in which that showed."""

    error: SamfleetError
    stage: str


def out_of_memory(lack: NotEnoughMemory, stage: str) -> Failure:
    return Failure(OutOfMemory(f"{OutOfMemory.__doc__} ({lack.message})"), stage)


def load(request: SegmentRequest, input_size: int, max_pixels: int) -> LoadedImage | Failure:
    """The image of a request. What is wrong with the image or its task comes back as a value."""
    try:
        _check_task(request)
        loaded = attempt(lambda: _read(request, input_size, max_pixels))
    except InvalidInput as error:
        return Failure(error, "preprocess")
    return out_of_memory(loaded, "preprocess") if isinstance(loaded, NotEnoughMemory) else loaded


def _read(request: SegmentRequest, input_size: int, max_pixels: int) -> LoadedImage:
    pixels = read_image(request.image, max_pixels)
    height, width, _ = pixels.shape
    frame = Frame.of(height, width, input_size)
    return LoadedImage(pixels, resize_to_frame(pixels, frame), frame)


def _check_task(request: SegmentRequest) -> None:
    if not isinstance(request.task, EverythingParameters) or not request.prompts:
        return
    if not request.task.prompted:
        raise TaskInvalid(
            "a task of kind 'everything' takes prompts for the sampler 'object_aware' only; "
            "leave them out or send kind 'prompts'"
        )
    if any(prompt.box is None or prompt.points or prompt.multimask for prompt in request.prompts):
        raise TaskInvalid("the sampler 'object_aware' takes boxes, one mask each: no points and no multimask")
