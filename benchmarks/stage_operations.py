"""Floating-point operations of each stage of an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from samfleet_models.device.timing import StageClock
from samfleet_models.tools.flops import counting


@contextmanager
def counted_stages() -> Iterator[Counter[str]]:
    """Count what runs meanwhile, by the stage whose clock is running.

    torch counts only the calling thread, so the process must have set torch's threads to 1 before it made the engine.
    """
    found = Counter[str]()
    measure = StageClock.measure

    with counting() as so_far:

        @contextmanager
        def counted(clock: StageClock, stage: str) -> Iterator[None]:
            before = so_far()
            with measure(clock, stage):
                yield
            found[stage] += so_far() - before

        StageClock.measure = counted  # type: ignore[method-assign,assignment]  # the engine makes its clocks itself
        try:
            yield found
        finally:
            StageClock.measure = measure  # type: ignore[method-assign]
