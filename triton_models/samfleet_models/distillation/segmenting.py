"""Segments one image with a loaded network outside a batch, through the code that serves requests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from samfleet.masks.record import MaskRecord
from samfleet.variants.task import Prompt, TaskParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.chunks import ScheduledImage
from samfleet_models.batching.interface import Network
from samfleet_models.batching.scheduler import PromptScheduler
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import Failure, LoadedImage
from samfleet_models.images.transforms import Pixels


class EncodedImage:
    """An image that a network has encoded; any number of tasks may follow."""

    @torch.inference_mode()
    def __init__(self, network: Network, pixels: Pixels) -> None:
        processor = network.processor
        self._network = network
        self._clock = StageClock(network.device)
        self._image = LoadedImage(processor.resize(pixels), processor.frame(*pixels.shape[:2]), pixels)
        (self._features,) = network.embed([self._image.resized], self._clock)

    @property
    def embedding(self) -> Tensor:
        """The first of the image's features [1, ...], on the device."""
        return self._features[0]

    def masks(self, task: TaskParameters, prompts: Sequence[Prompt] = ()) -> tuple[MaskRecord, ...]:
        """Return the masks of a task. Raises the error that a request would get as its reply."""
        request = SegmentRequest(b"", task, tuple(prompts))
        steps = self._network.segment(request, self._image, self._features, self._clock)
        ((_, outcome),) = PromptScheduler(self._network).run([ScheduledImage(0, steps, self._clock)])
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome
