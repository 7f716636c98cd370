"""Common parts of variants that segment with one network, without a mask decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import fitting_keys, load_state
from samfleet_models.decoder.interface import Decoder


class UndecodedNetwork(nn.Module):
    """The published network of a record and its running form. Its tasks yield no decode requests.

    A subclass makes `_running` in `warm_up` from the present parameters; it is dropped when they change.
    """

    def __init__(self, record: VariantRecord, execution: Execution | None, network: nn.Module) -> None:
        super().__init__()
        self.execution = execution or Execution()
        self._record = record
        self.network = network
        self._running: Callable[[Tensor], Any] | None = None

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load a state dict under the published keys, strictly."""
        load_state(self.network, state)
        self._running = None

    def check_published(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise `CheckpointMismatch` unless these are the shapes of the published keys. Allocates no memory."""
        fitting_keys(self.network, shapes)

    @property
    def decoder(self) -> Decoder:
        raise TypeError(f"{self._record.name} has no decoder: its tasks yield no decode requests")

    @property
    def graph_bytes(self) -> int:
        return 0

    def release_memory(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _apply(self, *args: Any, **options: Any) -> Self:
        """Drop the running form when parameters move or change type."""
        self._running = None
        return cast("Self", super()._apply(*args, **options))  # type: ignore[no-untyped-call]  # untyped in torch

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
