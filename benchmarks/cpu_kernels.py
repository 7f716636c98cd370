"""The compiled CPU kernels against torch's operators: milliseconds of a prompt, and agreement.

`python -m benchmarks.cpu_kernels IMAGE` takes turns between all ways of decoding in one process and reports the least
of many short repeats, because other programs only add to the time. CPU time counts all threads; on a busy machine
compare that. A prompt is a point with three masks: it is scored, its masks are drawn at low resolution, and the stable
ones are packed at the image's size. GFLOP/s are those of the wall time; the peak is that of matrix products with as
many threads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.environment import ALLOCATORS, read_environment
from benchmarks.flops import matrix_peak
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Products
from samfleet_kernels.library import choose, chosen_for_bfloat16, supported
from samfleet_models.decoder.folded import FoldedDecoder, ScoredPrompts
from samfleet_models.device.hardware import fingerprint
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.mask_generation.point_grid import point_grid
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.postprocess.threshold import draw
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools.flops import count_flops

CHUNK = 32
GRID = 16
MASKS = (1, 2, 3)
OFFSET, STABLE = 1.0, 0.95  # of the stability score, as published
MAX_PIXELS = 10**8
INFINITE = float("inf")
PEAK_TRIES = 3
BF16_PRODUCTS = "bf16_products"  # the execution; its peak is that of products in float32 like the others'


@dataclass(slots=True)
class Least:
    """The least milliseconds of a prompt so far."""

    cpu_ms: float = INFINITE
    wall_ms: float = INFINITE

    def time(self, start: tuple[float, float]) -> None:
        cpu, wall = (now - then for now, then in zip(_now(), start, strict=True))
        self.cpu_ms = min(self.cpu_ms, 1e3 * cpu / CHUNK)
        self.wall_ms = min(self.wall_ms, 1e3 * wall / CHUNK)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


@dataclass(slots=True)
class Result:
    """`kernels` is a `choices` of kernels; errors are differences from torch's operators.

    `peak` is in GFLOP/s. `scored_gflop` and `drawn_gflop` are the work of a prompt.
    """

    kernels: str
    threads: int
    peak: float = 0.0
    scored_gflop: float = 0.0
    drawn_gflop: float = 0.0
    score: Least = field(default_factory=Least)
    draw: Least = field(default_factory=Least)
    pack: Least = field(default_factory=Least)
    iou_error: float = 0.0
    logit_error: float = 0.0


def choices() -> tuple[str, ...]:
    """Return the ways of decoding: `off` for torch's operators, instruction sets, `bf16_products` if supported."""
    sets = supported()
    if "avx512" not in sets:
        return ("off", *sets)
    choose("avx512")
    return ("off", *sets, *([BF16_PRODUCTS] if chosen_for_bfloat16() else []))


def use(choice: str) -> None:
    """Use a choice of `choices` in this process; masks are packed alike in both precisions."""
    choose("avx512" if choice == BF16_PRODUCTS else choice)


class Way:
    """One chunk of points of one image, decoded with one choice of kernels and torch's current number of threads."""

    def __init__(
        self, choice: str, network: SamNetwork, features: Features, frame: ImageFrame, chunk: tuple[Tensor, Tensor]
    ) -> None:
        use(choice)
        self.result = Result(choice, torch.get_num_threads())
        products: Products = "bf16" if choice == BF16_PRODUCTS else "ieee"
        self._decoder = FoldedDecoder(network.prompt_encoder, network.mask_decoder, products=products)
        self._context = self._decoder.prepare(features)
        self._frame, self._chunk = frame, chunk
        self._rows = torch.arange(CHUNK).repeat_interleave(len(MASKS))
        self._masks = torch.tensor(MASKS).repeat(CHUNK)

    def work(self) -> tuple[float, float]:
        """Return the GFLOP of a prompt scored and of one drawn; this must have been made with one thread."""
        use(self.result.kernels)
        found: list[ScoredPrompts] = []
        scored = count_flops(lambda: found.append(self._decoder.score(self._context, *self._chunk)))
        drawn = count_flops(lambda: self._decoder.draw(found[0], self._rows, self._masks))
        return scored / CHUNK / 1e9, drawn / CHUNK / 1e9

    def decode(self) -> tuple[Tensor, Tensor]:
        """Decode the chunk, with all times, and return IoUs and logits."""
        use(self.result.kernels)
        start = _now()
        scored = self._decoder.score(self._context, *self._chunk)
        self.result.score.time(start)
        start = _now()
        drawn = self._decoder.draw(scored, self._rows, self._masks)
        self.result.draw.time(start)
        start = _now()
        draw(drawn.logits, self._frame, OFFSET, STABLE)
        self.result.pack.time(start)
        return scored.ious, drawn.logits


def encoded(variant: str, weights: Path, data: bytes) -> tuple[SamNetwork, Features, ImageFrame]:
    """Return the network of a variant with SAM's decoder, and an image's features and frame."""
    record = get_variant(variant)
    image = read_image(data, MAX_PIXELS)
    frame = ImageFrame.of(image.shape[0], image.shape[1], record.input_size)
    with closing(Engine(record, weights / record.checkpoint.filename, EngineSettings(device="cpu"))) as engine:
        if not isinstance(engine.network, SamNetwork):
            raise TypeError(f"{variant} has no SAM heads to measure")
        pixels = to_network_input(
            [resize_to_frame(image, frame)], record.input_size, record.conventions.preprocessing, engine.device
        )
        with torch.inference_mode():
            return engine.network, (engine.network.encode(pixels)[0],), frame


def grid(input_size: int) -> tuple[Tensor, Tensor]:
    """Return coordinates and labels of the first CHUNK points of a grid, each with a padding point."""
    points = torch.from_numpy(point_grid(GRID)[:CHUNK] * input_size).float()
    coords = torch.stack([points, torch.zeros_like(points)], dim=1)
    return coords, torch.tensor((Label.FOREGROUND, Label.PADDING)).expand(CHUNK, -1)


def compare(
    network: SamNetwork, features: Features, frame: ImageFrame, threads: Sequence[int], repeats: int
) -> Iterator[Result]:
    """Yield the result of every way of decoding, `off` first, for each number of threads."""
    chunk, names = grid(frame.input_size), choices()
    torch.set_num_threads(1)
    work = {choice: Way(choice, network, features, frame, chunk).work() for choice in names}
    for count in threads:
        torch.set_num_threads(count)
        ways = [Way(choice, network, features, frame, chunk) for choice in names]
        peak = max(matrix_peak(features[0].device, torch.float32) for _ in range(PEAK_TRIES))
        for way in ways:
            way.result.peak = peak
            way.result.scored_gflop, way.result.drawn_gflop = work[way.result.kernels]
        ious, logits = ways[0].decode()
        for way in ways[1:]:
            own_ious, own_logits = way.decode()
            way.result.iou_error = (own_ious - ious).abs().max().item()
            way.result.logit_error = (own_logits - logits).abs().max().item()
        for _ in range(repeats):
            for way in ways:
                way.decode()
        yield from (way.result for way in ways)


def described(result: Result) -> str:
    parts = (result.score, result.draw, result.pack)
    rates = (
        rated(name, gflop, part, result.peak)
        for name, gflop, part in (
            ("scored", result.scored_gflop, result.score),
            ("drawn", result.drawn_gflop, result.draw),
        )
    )
    return (
        f"{result.kernels}, {result.threads} threads: a prompt scored, drawn, packed: CPU "
        f"{' + '.join(f'{part.cpu_ms:.2f}' for part in parts)} ms, wall "
        f"{' + '.join(f'{part.wall_ms:.2f}' for part in parts)} ms; {', '.join(rates)}; "
        f"IoUs within {result.iou_error:.1e}, logits within {result.logit_error:.1e}"
    )


def rated(name: str, gflop: float, part: Least, peak: float) -> str:
    reached = gflop / part.wall_ms * 1e3
    return f"{name} with {gflop:.3f} GFLOP at {reached:.0f} GFLOP/s = {reached / peak:.0%} of the peak"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--weights", type=Path, default=Path(".samfleet/weights"))
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    given = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ALLOCATORS["tuned"].items()):
        command = [sys.executable, "-m", "benchmarks.cpu_kernels", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **ALLOCATORS["tuned"]})  # noqa: S606 - this program again
    environment = read_environment(fingerprint(torch.device("cpu")))
    print(f"kernels: {environment.hardware['kernels']}, chosen by 'auto' of {', '.join(supported()) or 'none'}")
    results = []
    prepared = encoded(given.variant, given.weights, given.image.read_bytes())
    for result in compare(*prepared, given.threads, given.repeats):
        results.append(asdict(result))
        print(described(result), flush=True)
    if given.out:
        report = {"variant": given.variant, "image": given.image.name, "environment": asdict(environment)}
        given.out.write_text(json.dumps({**report, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
