"""Interface of the worker to inference; `TritonSegmenter` is the real one, `MemorySegmenter` the double."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_worker.triton.calls import OpenCalls
from samfleet_worker.triton.devices import DeviceUse


@dataclass(frozen=True, slots=True)
class TimedReply:
    """Reply to one image. `round_trip_ms` is the caller's wall time from sending its request to having the reply."""

    reply: SegmentReply
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class ServerStatus:
    address: str
    ready: bool
    version: str = ""
    variants: tuple[str, ...] = ()  # loaded and ready
    loading: Mapping[str, str] = field(default_factory=dict)  # since when, in ISO 8601, as this worker asked for it
    devices: tuple[DeviceUse, ...] = ()  # those that replies have reported since the worker started
    died: tuple[str, ...] = ()  # loaded, but the process that serves it has died
    without_weights: Mapping[str, str] = field(
        default_factory=dict
    )  # variants that recently failed to load without them, and why


class Segmenter(Protocol):
    """Safe to share between threads; the errors are those of `samfleet_worker.triton.errors`."""

    def segment(
        self, variant: str, requests: Sequence[SegmentRequest], calls: OpenCalls | None = None
    ) -> tuple[TimedReply, ...]:
        """Segment images together, as one request; return their replies in the same order.

        There may be as many images as the variant's `max_batch_size`. Raises `ModelNotLoaded` if the variant is not
        loaded, because only the worker loads variants. The call is in `calls` while it lasts, and raises
        `CallCancelled` if these are cancelled.
        """
        ...

    def has(self, variant: str) -> bool:
        """Return True if a server of the pool has the variant loaded; `segment` finds it."""
        ...

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        """Load the variant on every server that is not away; variants that are not `at_work` may be unloaded for it.

        One server that has it is enough. Raises `VariantWaits` if the others leave no room on any, and
        `VariantLoadFailed` with Triton's reason. For one thread of one process of the pool at a time.
        """
        ...

    def refresh(self) -> None:
        """Find servers that have come, gone or stopped answering. For one thread at a time."""
        ...

    def uneven(self) -> frozenset[str]:
        """Return variants that some servers have loaded and others not, which have not just failed to load them."""
        ...

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:
        """Restart the variant's process on every server where it has died.

        `asked_at` is the time (monotonic) of the request that found it dead: a process restarted since then is left
        alone. Raises `TritonUnavailable` if the restart fails. For one thread of one process of the pool at a time,
        like `load`.
        """
        ...

    def status(self) -> tuple[ServerStatus, ...]:
        """Return the state of every server of the pool; one that does not answer is not ready, never an error."""
        ...

    def close(self) -> None: ...
