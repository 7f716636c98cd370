"""Stage times: CUDA events on a GPU, the host's clock on a CPU."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from samfleet.wire.messages import Clock, StageTime
from samfleet.wire.stages import BACKEND_STAGES, HOST_STAGES


class StageClock:
    """Adds up the time of named stages; a stage may be entered many times.

    On CUDA the stages are timed by events in the stream. Host work between kernels counts, and nothing waits until
    `milliseconds` is called. Stages of `HOST_STAGES` use the host's clock on every device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuda = device.type == "cuda"
        self._sums: dict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self._joint: list[tuple[StageClock, float]] = []
        self.stage = "preprocess"  # the stage entered last, to which a failure is assigned

    @property
    def kind(self) -> Clock:
        return "cuda_event" if self._cuda else "host"

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        self.stage = stage
        if self._cuda and stage not in HOST_STAGES:
            start, end = _cuda_event(), _cuda_event()
            start.record(torch.cuda.current_stream(self._device))
            try:
                yield
            finally:
                end.record(torch.cuda.current_stream(self._device))
                self._events.append((stage, start, end))
        else:
            begun = time.perf_counter()
            try:
                yield
            finally:
                self._sums[stage] += (time.perf_counter() - begun) * 1e3

    def join(self, clock: StageClock, share: float) -> None:
        """Assign this image `share` of the time that `clock` measures for several images."""
        self._joint.append((clock, share))

    def milliseconds(self) -> dict[str, float]:
        """Return the sum per stage so far, without joint work. On CUDA it waits for unfinished stages."""
        for stage, start, end in self._events:
            if not end.query():  # type: ignore[no-untyped-call] # as torch has it
                end.synchronize()
            self._sums[stage] += float(start.elapsed_time(end))
        self._events.clear()
        return dict(self._sums)

    def stage_times(self) -> dict[str, StageTime]:
        """Return the times of one image: its share of joint work plus its own work."""
        parts = [(self.milliseconds(), 1.0), *((clock.milliseconds(), share) for clock, share in self._joint)]
        return {
            stage: StageTime(
                amortised_ms=sum(share * part.get(stage, 0.0) for part, share in parts),
                batch_ms=sum(part.get(stage, 0.0) for part, _ in parts),
            )
            for stage in BACKEND_STAGES
        }


def _cuda_event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch annotates it partly
