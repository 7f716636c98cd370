"""Compares the engine with transformers' heads and the official generator's steps, in alternating pairs of processes.

    make bench ARGS="--grids 16 32 --prompts 64 1024 --pairs 5"

Prints ratios, GFLOP/s and shares of the machine's own matrix-product peak, and writes a result file that names the
machine, the versions and the commit. docs/benchmarks/README.md explains the output.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import others, photographs, report
from benchmarks.box_prompts import boxes_case
from benchmarks.cases import Case, Contender
from benchmarks.children import ChildOptions, ChildProcess
from benchmarks.environment import ALLOCATORS, read_environment
from benchmarks.pairs import compare, count_work
from benchmarks.results import PeakMemory, Result, Soak, StreamResult
from samfleet_kernels.library import supported

EARLY_IMAGE = 20
PEAK_TRIES = 3


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--variant", default="mobile_sam")
    add("--weights", type=Path, default=Path(".samfleet/weights"))
    add("--images", type=Path, nargs="*", default=[], help="default: photographs of scikit-image")
    add("--device", default="cpu", choices=["cpu", "cuda"])
    add("--threads", type=int, help="torch's threads on the CPU; default: its own number")
    add("--prompts", type=int, nargs="*", default=[64, 1024], help="decoder cases; square numbers")
    add("--grids", type=int, nargs="*", default=[16, 32], help="points per side of SegEvery; 64 takes long on a CPU")
    add("--pairs", type=int, default=3)
    add("--large-pairs", type=int, default=1, help="pairs for cases of more than 256 prompts")
    others.add_arguments(parser)
    add(
        "--allocators",
        nargs="+",
        default=list(ALLOCATORS),
        choices=list(ALLOCATORS),
        help="allocators of the opponents",
    )
    add("--our-allocator", default="tuned", choices=list(ALLOCATORS))
    add(
        "--executions",
        nargs="+",
        default=["fp32"],
        help="executions of the engine, such as bf16 or fp16+compile; each is gated first",
    )
    add("--gate-images", type=Path, nargs="*", default=[], help="default: more photographs of scikit-image")
    add("--gate-grid", type=int, default=32, help="points per side of the gate")
    add("--memory-grid", type=int, default=32, help="points per side of the peak memory measurement")
    add("--no-memory", action="store_true", help="skip the peak memory of a 640x480 image")
    add("--large", action="store_true", help="also measure the peak memory of a 12-megapixel photograph")
    add("--stream", type=int, default=0, metavar="N", help="N images in batches: images/s and, on CUDA, idle share")
    add("--soak", type=int, default=0, metavar="N", help="N images in a row, to see whether resident memory grows")
    add("--soak-grid", type=int, default=8)
    add("--out", type=Path, help="default: docs/benchmarks/engine-<device>.json")
    return parser.parse_args(words)


def cases(options: argparse.Namespace, images: list[Path]) -> list[tuple[Case, int]]:
    """Return every case on the first image, and the smallest SegEvery grid on all images, with its number of pairs."""
    first = str(images[0])
    boxes = [boxes_case(options.boxes, options.boxed_images)] if options.boxes else []
    found = [Case("encode", 1, first), *(Case("decode", size, first) for size in options.prompts)]
    for grid in sorted(options.grids):
        several = images if grid == min(options.grids) else images[:1]
        found += [Case("everything", grid, str(image)) for image in several]
    return [(case, options.large_pairs if case.large else options.pairs) for case in (*found, *boxes)]


def opponents(options: argparse.Namespace) -> list[Contender]:
    """Return the contenders to compare with. On CUDA the host's allocator makes no difference."""
    allocators = ["default"] if options.device == "cuda" else options.allocators
    official = ["official"] if options.official else []
    paths = dict.fromkeys((*options.against, *official))
    return [Contender(path, allocator) for path in paths for allocator in allocators]


def measure_memory(
    ours: Contender, child_options: ChildOptions, images: list[Path], options: argparse.Namespace
) -> Iterator[PeakMemory]:
    sizes = [] if options.no_memory else [photographs.VGA]
    sizes += [photographs.TWELVE_MEGAPIXELS] if options.large else []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            image = photographs.resized(images[0], size, Path(folder))
            with ChildProcess(ours, child_options) as child:
                sample = child.measure(Case("everything", options.memory_grid, str(image)))
            yield PeakMemory(image.name, options.memory_grid, sample.peak_bytes, sample.resident_bytes)


def soak(ours: Contender, child_options: ChildOptions, images: list[Path], options: argparse.Namespace) -> Soak:
    begun = time.perf_counter()
    with ChildProcess(ours, child_options) as child:
        resident = [
            child.measure(Case("everything", options.soak_grid, str(images[index % len(images)]))).resident_bytes
            for index in range(options.soak)
        ]
    early = min(EARLY_IMAGE, options.soak)
    seconds = time.perf_counter() - begun
    return Soak(options.soak, options.soak_grid, early, resident[early - 1], resident[-1], seconds)


def streams(
    ours: Contender, child_options: ChildOptions, images: list[Path], options: argparse.Namespace
) -> Iterator[StreamResult]:
    with ChildProcess(ours, child_options) as child:
        for grid in options.grids:
            child.warm(Case("everything", grid, str(images[0])))
            found = child.stream([str(image) for image in images], grid, options.stream)
            speed = found["images"] / found["seconds"]
            yield StreamResult(
                ours.execution, grid, options.stream, speed, int(found["peak_bytes"]), found["idle_share"]
            )


def measured_peaks(child: ChildProcess) -> dict[str, float]:
    """Return the best of several tries, as other work on the machine can only lower them."""
    return {precision: max(child.matrix_peak(precision) for _ in range(PEAK_TRIES)) for precision in ("fp32", "bf16")}


def contenders(options: argparse.Namespace) -> list[Contender]:
    """Return the engine's contenders, one per execution, fp32 first."""
    allocator = "default" if options.device == "cuda" else options.our_allocator
    wanted = sorted(dict.fromkeys(options.executions), key=lambda execution: execution != "fp32")
    return [Contender("engine", allocator, execution) for execution in wanted]


def measure_speed(
    ours: Contender, child_options: ChildOptions, images: list[Path], options: argparse.Namespace, result: Result
) -> None:
    """Measure one execution: its gate, its pairs against every opponent, its images per second."""
    if ours.execution != "fp32":
        with ChildProcess(ours, child_options) as child:
            names = photographs.photographs(options.gate_images, photographs.GATE_NAMES)
            gate = child.gate([str(image) for image in names], options.gate_grid)
        report.print_gate(gate)
        result.gates.append(gate)
    peak = result.matrix_peak_gflops["fp32"]
    chosen = cases(options, images)
    theirs_taken = {
        theirs: [(case, pairs) for case, pairs in chosen if theirs.takes(case) and ours.takes(case)]
        for theirs in opponents(options)
    }
    work = count_work(ours, {case: None for taken in theirs_taken.values() for case, _ in taken}, child_options)
    for theirs, taken in theirs_taken.items():
        for pairing in compare(ours, theirs, taken, child_options, work):
            report.print_pairing(pairing, peak)
            result.pairings.append(pairing)
    for found in streams(ours, child_options, images, options) if options.stream else ():
        report.print_stream(found)
        result.streams.append(found)


def run(options: argparse.Namespace) -> Result:
    images = photographs.photographs(options.images)
    child_options = others.measured_processes(options)
    versions = others.other_versions(opponents(options), child_options)
    first, *rest = contenders(options)
    with ChildProcess(first, child_options) as child:
        environment = read_environment(child.hardware())
        peaks = measured_peaks(child)
    result = Result(options.variant, options.device, environment, peaks, other_versions=versions)
    reached = ", ".join(f"{peak:.0f} ({precision})" for precision, peak in peaks.items())
    print(f"{environment.hardware['device_name']}, {environment.commit}: matrix products reach {reached} GFLOP/s")
    if options.device == "cpu":
        print(f"kernels: {environment.hardware['kernels']}, chosen by 'auto' of {', '.join(supported()) or 'none'}")
    for ours in (first, *rest):
        measure_speed(ours, child_options, images, options, result)
    for memory in measure_memory(first, child_options, images, options):
        report.print_memory(memory)
        result.memory.append(memory)
    if options.soak:
        result.soak = soak(first, child_options, images, options)
        report.print_soak(result.soak)
    return result


def main() -> None:
    options = arguments()
    result = run(options)
    out = options.out or Path("docs/benchmarks") / f"engine-{slug(result)}.json"
    report.write(result, out)
    print(f"written to {out}")


def slug(result: Result) -> str:
    """Return the device's name in a form for file names."""
    return re.sub(r"[^a-z0-9]+", "-", str(result.environment.hardware["device_name"]).lower()).strip("-")


if __name__ == "__main__":
    main()
