"""Images of a batch as the scheduler sees them, and the parts of their requests that are decoded together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from samfleet.masks.record import MaskRecord
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.batching.requests import DecodeRequest, DecodeResult, ImageTask, Pause
from samfleet_models.device.timing import StageClock


@dataclass(slots=True, eq=False)
class ScheduledImage:
    """One image of a batch: its task, not yet started, and the clock of its stages.

    The scheduler counts `prompts_decoded`, `unscored_prompts` (`MaskChoice.unscored`) and `mask_bytes` (of the masks
    received). `cancelled` returns True once the client has cancelled the request.
    """

    position: int
    task: ImageTask
    clock: StageClock
    prompts_decoded: int = 0
    unscored_prompts: int = 0
    mask_bytes: int = 0
    cancelled: Cancelled = never

    def advance(self, result: DecodeResult | None = None) -> DecodeRequest | tuple[MaskRecord, ...]:
        """Return the next request, or the masks at the end. Raises `RequestCancelled` between two steps."""
        try:
            step = next(self.task) if result is None else self.task.send(result)
            while isinstance(step, Pause) or not len(step):
                if self.cancelled():
                    raise RequestCancelled
                step = self.task.send(DecodeResult.joined([]))
        except StopIteration as end:
            masks: tuple[MaskRecord, ...] = end.value
            return masks
        return step


@dataclass(slots=True)
class PendingRequest:
    """A request whose first `done` prompts are decoded, and whose first `begun` are at least being decoded."""

    image: ScheduledImage
    request: DecodeRequest
    begun: int = 0
    done: int = 0
    results: list[DecodeResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChunkSlice:
    """Prompts of one image in a chunk."""

    pending: PendingRequest
    rows: slice

    def __len__(self) -> int:
        return len(range(self.rows.start, self.rows.stop))

    @property
    def request(self) -> DecodeRequest:
        return self.pending.request

    @property
    def clock(self) -> StageClock:
        return self.pending.image.clock


@dataclass(frozen=True, slots=True)
class BegunChunk:
    """A chunk whose masks are drawn; `complete` waits until they are encoded, and returns the result of each part."""

    parts: list[ChunkSlice]
    complete: Callable[[], list[tuple[DecodeResult, int]]]
