"""The host's part of a batch: decodes and resizes files in parallel, and checks tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.masks.rle import run_lengths
from samfleet.variants.budget import check_request
from samfleet.variants.conventions import Conventions
from samfleet.variants.task import EverythingParameters, PromptMask, TaskInvalid, TaskParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.images.decode import PixelBudget, read_image
from samfleet_models.images.transforms import ImageFrame, Pixels, Resized


class OutOfMemory(SamfleetError):
    """The image does not fit into the device's memory; lower points_per_batch or scale the image down."""

    code = "out_of_memory"


class Processor(Protocol):
    """Reads a network's images; used by several threads at once."""

    @property
    def conventions(self) -> Conventions: ...

    def frame(self, height: int, width: int) -> ImageFrame:
        """Return the frame of an image of that size for prompts and masks."""
        ...

    def resize(self, image: Pixels) -> Resized:
        """Return HWC RGB at its size in the network's input."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An upright image resized for the network, and its frame.

    `kept` is the image itself, HWC uint8 RGB, for tasks that read it again; None for all others, because those of a
    batch would occupy 3 bytes a pixel until the last mask.
    """

    resized: Resized
    frame: ImageFrame
    kept: Pixels | None = None

    @property
    def pixels(self) -> Pixels:
        """The image itself; a task for which `reads_again` is false has none."""
        if self.kept is None:
            raise RuntimeError("this task reads its image again, so `reads_again` must be true for it")
        return self.kept


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of an image without masks, and the stage in which it occurred."""

    error: SamfleetError
    stage: str


def out_of_memory(lack: NotEnoughMemory, stage: str) -> Failure:
    return Failure(OutOfMemory(f"{OutOfMemory.__doc__} ({lack.message})"), stage)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of loading one image; `pixels` is shared by all images that are decoded at the same time."""

    max_pixels: int
    max_prompts: int
    pixels: PixelBudget


def load(request: SegmentRequest, variant: str, processor: Processor, limits: Limits) -> LoadedImage | Failure:
    """Load the image of a request. Errors of the image or its task are returned as a value."""
    try:
        _check_task(request)
        check_request(request.task, request.prompts, limits.max_prompts, processor.conventions.prompts.cost)
        processor.conventions.check_task(request.task, variant)
        for prompt in request.prompts:
            processor.conventions.check(prompt, variant)
        loaded = attempt(lambda: _read(request, processor, limits))
    except InvalidInput as error:
        return Failure(error, "preprocess")
    return out_of_memory(loaded, "preprocess") if isinstance(loaded, NotEnoughMemory) else loaded


def _read(request: SegmentRequest, processor: Processor, limits: Limits) -> LoadedImage:
    pixels = read_image(request.image, limits.max_pixels, limits.pixels)
    height, width, _ = pixels.shape
    for prompt in request.prompts:
        if prompt.mask is not None:
            _check_mask(prompt.mask, (height, width))
    kept = pixels if reads_again(request.task) else None
    return LoadedImage(processor.resize(pixels), processor.frame(height, width), kept)


def reads_again(task: TaskParameters) -> bool:
    """Test whether a task reads the image itself after its first encoding: for crops, or for a detector."""
    return isinstance(task, EverythingParameters) and (task.crop_n_layers > 0 or task.sampler == "object_aware")


def _check_mask(mask: PromptMask, size: tuple[int, int]) -> None:
    """Raise `TaskInvalid` unless the mask has the image's `size`: the runs of another one would not end in it."""
    runs = run_lengths(mask.counts)
    if mask.size != size or runs.min() < 0 or runs.sum() != size[0] * size[1]:
        raise TaskInvalid(f"a mask prompt of size {mask.size} (height, width) does not fit the image, {size}")


def _check_task(request: SegmentRequest) -> None:
    if not isinstance(request.task, EverythingParameters) or not request.prompts:
        return
    if not request.task.prompted:
        raise TaskInvalid(
            "a task of kind 'everything' takes prompts only with the sampler 'object_aware', and only boxes; "
            "leave them out or send kind 'prompts'"
        )
    if any(prompt.box is None or prompt.points or prompt.multimask for prompt in request.prompts):
        raise TaskInvalid("the sampler 'object_aware' takes boxes, one mask each: no points and no multimask")
