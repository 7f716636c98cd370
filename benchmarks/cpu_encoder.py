"""The image encoder by compiled CPU kernels against oneDNN's layers: seconds of an image, and agreement.

`python -m benchmarks.cpu_encoder` needs no weights: the time does not depend on them. It takes turns between both in
one process and reports the least of the repeats, because other programs only add to the time. CPU time counts all
threads; on a busy machine compare that.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.flops import matrix_peak
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet_kernels.library import choose, chosen_for_bfloat16, supported
from samfleet_models.modeling.kernel_layers.replacement import use_kernels
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.tools.flops import count_flops

INFINITE = float("inf")
BF16_KERNELS = "bf16_kernels"  # the execution; its peak is that of products in float32 like the others'


@dataclass(slots=True)
class Result:
    """`kernels` is an instruction set, `off` for oneDNN's layers, or `bf16_kernels`.

    The error is a share of the embedding's range.
    """

    kernels: str
    threads: int
    gflop: float
    error: float = 0.0
    cpu_s: float = INFINITE
    wall_s: float = INFINITE


def encoder_of(record: VariantRecord, choice: str) -> nn.Module:
    """Return a variant's fused encoder with the same random parameters for every choice of kernels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(record).eval()
    if not isinstance(network, SamNetwork):
        raise TypeError(f"{record.name} has no image encoder to measure")
    rounds = choice == BF16_KERNELS
    choose("auto" if rounds else choice)
    return use_kernels(network.fused_encoder(), torch.float32, "bf16" if rounds else "ieee")


def choices() -> tuple[str, ...]:
    """Return the ways of encoding: `off` for oneDNN's layers, instruction sets, `bf16_kernels` if supported."""
    sets = supported()
    choose("auto")
    return ("off", *sets, *([BF16_KERNELS] if chosen_for_bfloat16() else []))


def embedding(encoder: nn.Module, pixels: Tensor) -> Tensor:
    found = encoder(pixels)
    return torch.as_tensor(found[0] if isinstance(found, tuple) else found)


@torch.inference_mode()
def compare(record: VariantRecord, threads: Sequence[int], repeats: int) -> Iterator[Result]:
    """Yield the result of every choice, `off` first, for each number of threads."""
    pixels = torch.randn(1, 3, record.input_size, record.input_size, generator=torch.Generator().manual_seed(0))
    encoders = {choice: encoder_of(record, choice) for choice in choices()}
    expected = embedding(encoders["off"], pixels)
    span = (expected.max() - expected.min()).item()
    for count in threads:
        torch.set_num_threads(count)
        results = {name: Result(name, count, _gflop(own, pixels)) for name, own in encoders.items()}
        for name, own in encoders.items():
            results[name].error = (embedding(own, pixels) - expected).abs().max().item() / span
        for _ in range(repeats):
            for name, own in encoders.items():
                _time(own, pixels, results[name])
        yield from results.values()


def _gflop(encoder: nn.Module, pixels: Tensor) -> float:
    return count_flops(lambda: encoder(pixels)) / 1e9


def _time(encoder: nn.Module, pixels: Tensor, result: Result) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    encoder(pixels)
    result.cpu_s = min(result.cpu_s, time.process_time() - cpu)
    result.wall_s = min(result.wall_s, time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--repeats", type=int, default=8)
    given = parser.parse_args()
    for result in compare(get_variant(given.variant), given.threads, given.repeats):
        torch.set_num_threads(result.threads)
        peak = matrix_peak(torch.device("cpu"), torch.float32)
        print(
            f"{result.kernels}, {result.threads} threads: CPU {result.cpu_s:.3f} s, wall {result.wall_s:.3f} s, "
            f"{result.gflop / result.wall_s:.0f} of {peak:.0f} GFLOP/s; within {result.error:.1e} of the range",
            flush=True,
        )


if __name__ == "__main__":
    main()
