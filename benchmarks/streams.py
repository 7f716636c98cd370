"""Many images in a row through one engine: images per second, and on CUDA the share of time the GPU was idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import torch

from benchmarks.flops import synchronize
from samfleet.wire.messages import SegmentRequest
from samfleet_models.serving.engine import Engine

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stream:
    """The result. `idle_share` is measured in a second run under torch's profiler; None without a GPU."""

    images: int
    seconds: float
    peak_bytes: int
    idle_share: float | None


def stream(engine: Engine, images: Sequence[bytes], per_side: int, count: int) -> Stream:
    """Run `count` images, cycling through the given ones, in batches of the variant's size."""
    task = replace(engine.record.everything, points_per_side=per_side)
    requests = [SegmentRequest(image, task) for image in islice(cycle(images), count)]

    peaks: list[int] = []

    def run() -> None:
        size = engine.record.max_batch_size
        for start in range(0, count, size):
            for _, reply in engine.segment(requests[start : start + size]):
                if reply.report.error_code is not None:
                    raise RuntimeError(f"{reply.report.error_code}: {reply.report.error_message}")
                peaks.append(reply.report.peak_memory_bytes or 0)

    synchronize(engine.device)
    begun = time.perf_counter()
    run()
    synchronize(engine.device)
    seconds = time.perf_counter() - begun
    cuda = engine.device.type == "cuda"
    peak = max(peaks) if cuda else 0  # the engine resets the peak with each batch
    return Stream(count, seconds, peak, idle_share(run) if cuda else None)


def idle_share(work: Callable[[], object]) -> float:
    """Return the idle share of the time between the GPU's first and last activity: no kernel and no copy."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
        torch.cuda.synchronize()
    results: Any = profiler.profiler
    events = results.kineto_results.events()
    autograd: Any = torch.autograd
    return 1 - busy_share(
        (event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.device_type() == autograd.DeviceType.CUDA
    )


def busy_share(intervals: Iterable[Interval]) -> float:
    """Return the covered part of the span from the first start to the last end; 0 without intervals.

    Overlaps count once.
    """
    ordered = sorted(intervals)
    if not ordered:
        return 0.0
    first, reached, covered = ordered[0][0], ordered[0][0], 0.0
    for start, end in ordered:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered / (reached - first) if reached > first else 0.0
