"""The queue of simulated events."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

from benchmarks.fleet.clock import SimulatedClock


class Events:
    """Events by time; those of the same time in the order in which they were added."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def now(self) -> float:
        return self._clock.seconds

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + seconds, next(self._numbers), act))

    def pop_all(self) -> Iterator[Callable[[], None]]:
        """Yield the events in their order, with the clock at the time of each."""
        while self._heap:
            self._clock.seconds, _, act = heapq.heappop(self._heap)
            yield act
