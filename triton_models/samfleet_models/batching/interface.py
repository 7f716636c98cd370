"""What the engine asks of a variant's network, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import Work
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import ImageFraming, LoadedImage
from samfleet_models.images.transforms import Resized
from samfleet_models.modeling.common import Features


class Network(Protocol):
    """A variant's network on one device. Not thread-safe but for its `framing`."""

    @property
    def framing(self) -> ImageFraming: ...

    @property
    def device(self) -> torch.device: ...

    def load(self, files: Mapping[str, Path]) -> None:
        """Load the record's `files`, all checked by hash. Raises the errors of `checkpoints.loading`."""
        ...

    def to(self, device: torch.device) -> Any: ...

    def warm_up(self) -> float | None:
        """Makes what runs of the parameters; the seconds that compiling it took, if it is compiled."""
        ...

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Each image's features, with a leading dimension of 1."""
        ...

    def work(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> Work:
        """What answers a request, begun by nobody yet."""
        ...

    @property
    def decoder(self) -> Decoder:
        """What answers the questions of the network's works."""
        ...

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        """How many prompts of so many points the decoder takes at a time."""
        ...

    @property
    def graph_bytes(self) -> int:
        """Unused memory of captured CUDA graphs, which serves nothing else; 0 without any."""
        ...

    def release_memory(self) -> None:
        """Gives cached memory back after a failure; only outside the `except`, whose traceback still holds tensors."""
        ...
