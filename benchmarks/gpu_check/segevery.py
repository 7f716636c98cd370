"""(d) SegEvery with grids of 16 and 32 points per side: images/s, stages, idle share, peak memory."""

from __future__ import annotations

import statistics
import time
from itertools import cycle, islice

import torch

from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of, everything
from benchmarks.gpu_check.machine import memory, ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, Recorder
from benchmarks.streams import idle_share
from samfleet.wire.stages import BACKEND_STAGES
from samfleet_models.serving.engine import Engine

VARIANTS = (MOBILE_SAM, "efficientvit_sam_l0", "sam2_1_hiera_l")
GRIDS, SMALL_GRIDS = (16, 32), (2,)
IMAGES, SMALL_IMAGES = 32, 1
PROFILED = 8  # images under the profiler, which slows the host


def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    count = SMALL_IMAGES if options.small else IMAGES
    files = [path.read_bytes() for path in options.photographs(count)]
    images = list(islice(cycle(files), count))
    for name in options.wanted(VARIANTS):
        with recorder.item(f"{name}, loading") as figures, engine_of(name, options) as engine:
            figures |= {"stand_in_weights": name != MOBILE_SAM, **memory(device)}
            for grid in SMALL_GRIDS if options.small else GRIDS:
                with recorder.item(f"{name}, SegEvery {grid}x{grid}") as found:
                    found.update(measured(engine, images, grid))
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measured(engine: Engine, images: list[bytes], grid: int) -> Figures:
    """Measure after one batch of the same kind, which pays for kernels and memory."""
    everything(engine, images[: engine.record.max_batch_size], grid)
    begun = time.perf_counter()
    replies = everything(engine, images, grid)
    seconds = time.perf_counter() - begun
    reports = [reply.report for reply in replies]
    cuda = engine.device.type == "cuda"
    return {
        "images": len(images),
        "images_per_second": len(images) / seconds,
        "masks_per_image": statistics.fmean(len(reply.masks) for reply in replies),
        "prompts_per_image": statistics.fmean(report.prompts_decoded for report in reports),
        "stages_ms": {
            stage: statistics.fmean(report.stages[stage].amortised_ms for report in reports) for stage in BACKEND_STAGES
        },
        "clock": reports[0].clock,
        "peak_bytes": max(report.peak_memory_bytes for report in reports),
        "peak_reserved_bytes": max(report.peak_reserved_bytes or 0 for report in reports),
        "idle_share": idle_share(lambda: everything(engine, images[:PROFILED], grid)) if cuda else None,
        **memory(engine.device),
    }
