"""Time of the stages: CUDA events on a GPU, the host's clock on a CPU."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from samfleet.masks.wire import Clock, StageTime

STAGES = ("preprocess", "encode", "decode", "postprocess")
HOST_STAGES = frozenset({"preprocess"})  # file decoding and resizing run on the host whatever the device


class StageClock:
    """Adds up the time of named stages; a stage may be entered many times.

    On CUDA the stages are timed by events in the stream, so host work between kernels counts and nothing waits until
    `milliseconds` is asked. Stages of `HOST_STAGES` use the host's clock everywhere.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._host: dict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self.stage = "preprocess"  # the stage entered last: where a failure happened

    @property
    def kind(self) -> Clock:
        return "cuda_event" if self._cuda else "host"

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        self.stage = stage
        if self._cuda and stage not in HOST_STAGES:
            start, end = _cuda_event(), _cuda_event()
            start.record()
            yield
            end.record()
            self._events.append((stage, start, end))
        else:
            begun = time.perf_counter()
            yield
            self._host[stage] += (time.perf_counter() - begun) * 1e3

    def milliseconds(self) -> dict[str, float]:
        """The sum per stage so far; on CUDA this waits for the stream."""
        totals = dict(self._host)
        if self._events:
            torch.cuda.synchronize()
        for stage, start, end in self._events:
            totals[stage] = totals.get(stage, 0.0) + float(start.elapsed_time(end))
        return totals


def stage_times(shared: StageClock, sharers: Mapping[str, int], own: StageClock) -> dict[str, StageTime]:
    """Times of one image: its share of what several images went through together, plus what was done for it alone.

    `sharers` is the number of images in each shared stage.
    """
    batch, alone = shared.milliseconds(), own.milliseconds()
    return {
        stage: StageTime(
            amortised_ms=batch.get(stage, 0.0) / sharers.get(stage, 1) + alone.get(stage, 0.0),
            batch_ms=batch.get(stage, 0.0) + alone.get(stage, 0.0),
        )
        for stage in STAGES
    }


def _cuda_event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch annotates it partly
