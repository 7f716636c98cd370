"""(a) Every family's recorded cases on the device: with TF32 off, which must pass, and on, which is only reported."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.machine import ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, NotHere, Recorder
from samfleet_models.device.hardware import prepare_device
from samfleet_models.parity.cases import VariantCases, find_cases
from samfleet_models.parity.findings import Verdict
from samfleet_models.parity.verify import verify_variant

SMALL = ("edgesam", "fastsam_s", "mobile_sam", "nanosam_resnet18")


def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    for cases, state in rebuilt(chosen(options)):
        with recorder.item(f"{cases.variant}, TF32 off") as figures:
            prepare_device(device, None)
            figures.update(figures_of(verify_variant(cases, device, state)))
        with recorder.item(f"{cases.variant}, TF32 on") as figures:
            if device.type != "cuda":
                raise NotHere("only a GPU has TF32")
            allow_tf32()
            found = figures_of(verify_variant(cases, device, state))
            figures.update({**found, "passed": None, "within_tolerance": found["passed"]})
        if device.type == "cuda":
            torch.cuda.empty_cache()


def chosen(options: Options) -> list[VariantCases]:
    """Return variants with recorded cases, the smallest checkpoints first.

    A time limit then cuts off the largest.
    """
    found = [cases for cases in find_cases(Path(options.parity)) if any(cases.path.glob("case*.npz"))]
    names = options.wanted([cases.variant for cases in found])
    kept = [name for name in names if not options.small or options.variants or name in SMALL]
    return sorted((cases for cases in found if cases.variant in kept), key=parameters)


def parameters(cases: VariantCases) -> int:
    return sum(torch.Size(shape).numel() for shape in cases.shapes().values())


def rebuilt(all_cases: list[VariantCases]) -> Iterator[tuple[VariantCases, dict[str, Tensor]]]:
    """Yield stand-in weights; a thread makes the next ones while the current ones are compared."""
    with ThreadPoolExecutor(1) as pool:
        states = [pool.submit(cases.state) for cases in all_cases[:1]]
        for index, cases in enumerate(all_cases):
            if index + 1 < len(all_cases):
                states.append(pool.submit(all_cases[index + 1].state))
            yield cases, states.pop(0).result()


def allow_tf32() -> None:
    convolution: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # made at import
    convolution.fp32_precision = "tf32"
    torch.backends.cuda.matmul.fp32_precision = "tf32"


def figures_of(verdict: Verdict) -> Figures:
    worst = {
        kind: {"error": worst.error, "allowed": worst.allowed, "compared": worst.compared}
        for kind, worst in verdict.worst.items()
    }
    return {"passed": verdict.passed, "worst": worst, "problems": verdict.problems, "not_compared": verdict.skipped}
