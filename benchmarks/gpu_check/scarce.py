"""(f) Too little memory, by a cap on the allocator: reports the errors, and whether the next request succeeds.

On a GPU torch's share of its memory is capped. On a CPU the address space of the process is.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import torch

from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of, everything, segment
from benchmarks.gpu_check.machine import memory, ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Recorder
from samfleet.wire.messages import SegmentReply
from samfleet_models.serving.engine import Engine

ROOMS = (2**26, 2**28, 2**30, 2**32)  # bytes in addition to the loaded engine
GRID, SMALL_GRID = 32, 4
BATCH = 8
EXPECTED = "out_of_memory"
STATM = Path("/proc/self/statm")


def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    grid = SMALL_GRID if options.small else GRID
    images = [path.read_bytes() for path in islice(cycle(options.photographs(BATCH)), 2 if options.small else BATCH)]
    with recorder.item("loading") as loaded, engine_of(MOBILE_SAM, options) as engine:
        expected = outcome(everything(engine, images, grid))
        loaded |= {"masks": [len(counts) for counts in expected], **memory(device)}
        for room in ROOMS[:2] if options.small else ROOMS:
            with recorder.item(f"{room // 2**20} MiB of room") as figures:
                engine.network.release_memory()
                with capped(device, room):
                    replies = segment(engine, images, grid)
                codes = Counter(reply.report.error_code or "answered" for reply in replies)
                figures.update({"replies": dict(codes), "messages": messages(replies)})
                figures.update(recovered(engine, images, grid, expected))
                figures["passed"] = codes.keys() <= {"answered", EXPECTED} and figures["recovered"]


def recovered(engine: Engine, images: list[bytes], grid: int, expected: list[list[str]]) -> dict[str, bool]:
    """Repeat the request with all the memory and compare: the same number of masks, and identical masks."""
    found = outcome(everything(engine, images, grid))
    counts = [len(masks) for masks in found] == [len(masks) for masks in expected]
    return {"recovered": counts, "same_masks": found == expected}


def outcome(replies: list[SegmentReply]) -> list[list[str]]:
    return [[mask.counts for mask in reply.masks] for reply in replies]


def messages(replies: list[SegmentReply]) -> list[str]:
    return sorted({str(reply.report.error_message)[:300] for reply in replies if reply.report.error_code})


@contextmanager
def capped(device: torch.device, room: int) -> Iterator[None]:
    """Allow only `room` bytes more than are in use now."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        before = torch.cuda.get_per_process_memory_fraction(device)
        torch.cuda.set_per_process_memory_fraction(
            min(1.0, (torch.cuda.memory_reserved(device) + room) / total), device
        )
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(before, device)
        return
    pages = int(STATM.read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
