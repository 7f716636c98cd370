"""(c) Captured and compiled encoders of MobileSAM: equality with the plain one, warm-up seconds, time and memory."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor

from benchmarks.flops import synchronize
from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of
from benchmarks.gpu_check.machine import memory, ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, NotHere, Recorder
from benchmarks.paths import sam_network
from samfleet.variants.execution import Execution
from samfleet_models.precision.compilation import CompilerMissing, GraphsNeedCuda
from samfleet_models.serving.engine import Engine

EXECUTIONS = (
    Execution("fp32", "cuda_graphs"),
    Execution("bf16", "cuda_graphs"),
    Execution("fp32", "compile"),
    Execution("bf16", "compile"),
)
BATCHES, SMALL_BATCHES = (1, 3, 8, 11), (1,)
SHARE = {"fp32": 1e-3, "bf16": 5e-2}  # share of the embedding's range; the plain encoder has the same precision
REPEATS = 10


@torch.inference_mode()
def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    sizes = SMALL_BATCHES if options.small else BATCHES
    plain: dict[str, tuple[dict[int, Tensor], float]] = {}
    for execution in EXECUTIONS[::2] if options.small else EXECUTIONS:
        with recorder.item(str(execution)) as figures:
            if execution.precision not in plain:
                with engine_of(MOBILE_SAM, options, Execution(execution.precision)) as engine:
                    plain[execution.precision] = embedded(engine, sizes), encode_ms(engine, max(sizes), options)
            figures.update(compared(execution, sizes, plain[execution.precision], options))
        if device.type == "cuda":
            torch.cuda.empty_cache()


def compared(
    execution: Execution, sizes: tuple[int, ...], plain: tuple[dict[int, Tensor], float], options: Options
) -> Figures:
    expected, plain_ms = plain
    try:
        with engine_of(MOBILE_SAM, options, execution) as engine:
            found = embedded(engine, sizes)
            shares = {size: share(found[size], expected[size]) for size in sizes}
            return {
                "passed": max(shares.values()) <= SHARE[execution.precision],
                "allowed_share": SHARE[execution.precision],
                "difference_share_by_batch": shares,
                "warmup_seconds": engine.warmup_seconds,
                "encode_ms": encode_ms(engine, max(sizes), options),
                "plain_encode_ms": plain_ms,
                "batch": max(sizes),
                **memory(engine.device),
            }
    except (GraphsNeedCuda, CompilerMissing) as error:
        raise NotHere(error.message) from error


def pixels_of(engine: Engine, size: int) -> Tensor:
    side = engine.record.input_size
    generator = torch.Generator().manual_seed(size)
    return torch.randn(size, 3, side, side, generator=generator).to(engine.device)


def embedded(engine: Engine, sizes: tuple[int, ...]) -> dict[int, Tensor]:
    return {size: sam_network(engine).encode(pixels_of(engine, size))[0].float().cpu() for size in sizes}


def share(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the range; infinite if a value is not a number."""
    difference = float((found - expected).abs().max() / (expected.max() - expected.min()))
    return difference if difference == difference else float("inf")  # noqa: PLR0124 - only NaN differs from itself


def encode_ms(engine: Engine, size: int, options: Options) -> float:
    pixels = pixels_of(engine, size)
    network, samples = sam_network(engine), []
    for _ in range(2 if options.small else REPEATS):
        synchronize(engine.device)
        begun = time.perf_counter()
        network.encode(pixels)
        synchronize(engine.device)
        samples.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(samples)
