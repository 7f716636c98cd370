"""The interface of what a student learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from samfleet.variants.record import VariantRecord
from samfleet_models.batching.interface import Network
from samfleet_models.distillation.images import TrainingImage


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample `number` of an image. `seed` determines its random changes; None for a sample without any."""

    image: TrainingImage
    number: int
    seed: tuple[int, ...] | None


class Objective(Protocol):
    """A student in training, on its device."""

    @property
    def record(self) -> VariantRecord:
        """The record of the student as it is hosted afterwards, without its checkpoint."""
        ...

    @property
    def network(self) -> Network:
        """The student as the engine runs it."""
        ...

    @property
    def trained(self) -> nn.Module:
        """The part whose parameters are trained."""
        ...

    @property
    def samples_per_image(self) -> int: ...

    @property
    def losses(self) -> str:
        """The losses in words, for the provenance."""
        ...

    def loss(self, samples: Sequence[Sample]) -> Tensor:
        """Return the mean loss of the samples."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return the whole network's state dict under samfleet's keys."""
        ...
