"""What the worker asks of inference; `TritonSegmenter` is the real one, `MemorySegmenter` the double."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_worker.triton.calls import OpenCalls
from samfleet_worker.triton.devices import DeviceUse


@dataclass(frozen=True, slots=True)
class TimedReply:
    """`round_trip_ms` is the caller's wall time from sending the request to having the reply."""

    reply: SegmentReply
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class ServerStatus:
    address: str
    ready: bool
    version: str = ""
    variants: tuple[str, ...] = ()  # loaded and ready
    devices: tuple[DeviceUse, ...] = ()  # those of which a reply has told since the worker began
    died: tuple[str, ...] = ()  # loaded, but the process that serves it has died
    without_weights: Mapping[str, str] = field(
        default_factory=dict
    )  # variants that just failed to load for it, and why


class Segmenter(Protocol):
    """Safe to share between threads; the errors are those of `samfleet_worker.triton.errors`."""

    def segment(self, variant: str, request: SegmentRequest, calls: OpenCalls | None = None) -> TimedReply:
        """Raises `ModelNotLoaded` where the variant is not: loading is the worker's decision, not the request's.

        The call is one of `calls` while it lasts, and raises `CallCancelled` when those are cancelled.
        """
        ...

    def has(self, variant: str) -> bool:
        """Whether every server of the pool that answers has it loaded."""
        ...

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        """Load it on every server that answers, at the cost of variants that are not `at_work`.

        Raises `VariantWaits` where those leave no room. For one thread of one process of the pool at a time.
        """
        ...

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:
        """Start the variant's process again on every server where it has died; `asked_at` is the time (monotonic) of
        the request that found it dead: what was started again since needs nothing.

        Raises `TritonUnavailable` where that fails. For one thread of one process of the pool at a time, as `load`.
        """
        ...

    def status(self) -> tuple[ServerStatus, ...]:
        """Every server of the pool as it is now; one that does not answer is not ready, never an error."""
        ...

    def close(self) -> None: ...
