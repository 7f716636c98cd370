"""The real Triton: 32 photographs by gRPC, its batches and clocks, and comparison with the engine's masks."""

from __future__ import annotations

import queue
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of, everything
from benchmarks.gpu_check.machine import ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, Recorder
from benchmarks.gpu_check.triton_server import running_triton
from samfleet.variants.catalogue import get_variant
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet.wire.stages import BACKEND_STAGES
from samfleet.wire.tensors import OUTPUTS, unpack_replies
from samfleet_worker.triton.inputs import tensors_of

IMAGES, SMALL_IMAGES = 32, 4
GRID, SMALL_GRID = 16, 4
REPLY_SECONDS = 300.0
SAME_SHARE = 0.95  # share of masks with equal run lengths; another batch size rounds differently


def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    count, grid = (SMALL_IMAGES, SMALL_GRID) if options.small else (IMAGES, GRID)
    files = [path.read_bytes() for path in options.photographs(count)]
    images = list(islice(cycle(files), count))
    expected: list[SegmentReply] = []
    with recorder.item("the engine alone"), engine_of(MOBILE_SAM, options) as engine:
        expected = everything(engine, images, grid)
    with recorder.item(f"{count} photographs by gRPC, SegEvery {grid}x{grid}") as figures:
        with running_triton(options, MOBILE_SAM) as client:
            send(client, images[:1], grid)
            begun = time.perf_counter()
            replies = send(client, images, grid)
            seconds = time.perf_counter() - begun
        figures |= {"images_per_second": count / seconds, **reported(replies), **agreement(replies, expected)}
        clock = "cuda_event" if device.type == "cuda" else "host"
        figures["passed"] = figures["clock"] == [clock] and figures["identical_share"] >= SAME_SHARE


def send(client: Any, images: Sequence[bytes], grid: int) -> list[SegmentReply]:
    """Send all images at once, so that Triton may batch them; return replies in the images' order."""
    task = replace(get_variant(MOBILE_SAM).everything, points_per_side=grid)
    results: queue.SimpleQueue[tuple[int, Any, Any]] = queue.SimpleQueue()
    for index, image in enumerate(images):

        def on_result(result: Any, error: Any, index: int = index) -> None:
            results.put((index, result, error))

        client.async_infer(MOBILE_SAM, tensors_of([SegmentRequest(image, task)]), on_result)
    replies: dict[int, SegmentReply] = {}
    for _ in images:
        index, result, error = results.get(timeout=REPLY_SECONDS)
        if error is not None:
            raise RuntimeError(f"Triton refused an image: {error}")
        (replies[index],) = unpack_replies({name: result.as_numpy(name) for name in OUTPUTS})
        report = replies[index].report
        if report.error_code is not None:
            raise RuntimeError(f"{report.error_code}: {report.error_message}")
    return [replies[index] for index in range(len(images))]


def reported(replies: Sequence[SegmentReply]) -> Figures:
    reports = [reply.report for reply in replies]
    return {
        "images_by_batch_size": dict(sorted(Counter(report.batch_size for report in reports).items())),
        "clock": sorted({report.clock for report in reports}),
        "stages_ms": {
            stage: statistics.fmean(report.stages[stage].amortised_ms for report in reports) for stage in BACKEND_STAGES
        },
        "execute_ms": statistics.fmean(report.execute_ms for report in reports),
        "peak_bytes": max(report.peak_memory_bytes for report in reports),
        "hardware": reports[0].hardware,
    }


def agreement(replies: Sequence[SegmentReply], expected: Sequence[SegmentReply]) -> Figures:
    """Count masks with identical run lengths, relative to the larger count of each image."""
    same = of = 0
    for reply, other in zip(replies, expected, strict=True):
        found, wanted = (Counter(mask.counts for mask in one.masks) for one in (reply, other))
        same += (found & wanted).total()
        of += max(found.total(), wanted.total())
    return {"masks": sum(len(reply.masks) for reply in replies), "identical_share": same / of if of else 0.0}
