"""The interface of a variant's network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage, Processor
from samfleet_models.images.transforms import Resized
from samfleet_models.modeling.common import Features


class Network(Protocol):
    """A variant's network on one device. Only its `processor` is thread-safe."""

    @property
    def processor(self) -> Processor: ...

    @property
    def device(self) -> torch.device: ...

    def load(self, files: Mapping[str, Path]) -> None:
        """Load the record's `files`, whose hashes are already verified. Raises the errors of `checkpoints.loading`."""
        ...

    def to(self, device: torch.device) -> Any: ...

    def warm_up(self) -> float | None:
        """Build the execution form from the parameters. Return the seconds of compilation, None if nothing compiles."""
        ...

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Return the features of each image, with a leading dimension of 1."""
        ...

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        """Return the task of a request, not yet started. `features` are those of the whole image."""
        ...

    @property
    def decoder(self) -> Decoder:
        """The decoder of the network's decode requests."""
        ...

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        """Return how many prompts of `points` points each the decoder takes at a time."""
        ...

    @property
    def graph_bytes(self) -> int:
        """Unused memory of captured CUDA graphs, which nothing else can use; 0 without graphs."""
        ...

    def release_memory(self) -> None:
        """Release cached memory after a failure. Call it after the `except` block: its traceback holds tensors."""
        ...
