"""The compiled CPU kernels against torch's operators: milliseconds of a prompt, and agreement.

`python -m benchmarks.cpu_kernels IMAGE` takes turns between all ways of decoding in one process and reports the least
of many short repeats, because other programs only add to the time. CPU time counts all threads; on a busy machine
compare that. A prompt is a point with three masks: it is scored, its masks are drawn at low resolution, and the stable
ones are packed at the image's size.
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
from benchmarks.paths import PathOptions, network_input, sam_network
from reference.official_generator import point_prompts
from samfleet_kernels.library import choose, supported
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.device.hardware import fingerprint
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.point_grid import point_grid
from samfleet_models.modeling.common import Features
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.postprocess.threshold import draw

CHUNK = 32
GRID = 16
MASKS = (1, 2, 3)
OFFSET, STABLE = 1.0, 0.95  # of the stability score, as published
MAX_PIXELS = 10**8
INFINITE = float("inf")


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
    """`kernels` is an instruction set, or `off` for torch's operators; errors are differences from those."""

    kernels: str
    threads: int
    score: Least = field(default_factory=Least)
    draw: Least = field(default_factory=Least)
    pack: Least = field(default_factory=Least)
    iou_error: float = 0.0
    logit_error: float = 0.0


class Way:
    """One chunk of points of one image, decoded with one choice of kernels and torch's current number of threads."""

    def __init__(
        self, choice: str, network: SamNetwork, features: Features, frame: ImageFrame, chunk: tuple[Tensor, Tensor]
    ) -> None:
        choose(choice)
        self.result = Result(choice, torch.get_num_threads())
        self._decoder = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
        self._context = self._decoder.prepare(features)
        self._frame, self._chunk = frame, chunk
        self._rows = torch.arange(CHUNK).repeat_interleave(len(MASKS))
        self._masks = torch.tensor(MASKS).repeat(CHUNK)

    def decode(self) -> tuple[Tensor, Tensor]:
        """Decode the chunk, with all times, and return IoUs and logits."""
        choose(self.result.kernels)
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


def compare(options: PathOptions, data: bytes, threads: Sequence[int], repeats: int) -> Iterator[Result]:
    """Yield the result of every way of decoding, `off` first, for each number of threads."""
    with closing(options.engine()) as engine:
        network = sam_network(engine)
        features = (network.encode(network_input(engine, data))[0],)
    height, width = read_image(data, MAX_PIXELS).shape[:2]
    frame = ImageFrame.of(height, width, options.record.input_size)
    coords, labels = point_prompts(point_grid(GRID) * options.record.input_size, torch.device("cpu"))
    for count in threads:
        torch.set_num_threads(count)
        chunk = coords[:CHUNK], labels[:CHUNK]
        ways = [Way(choice, network, features, frame, chunk) for choice in ("off", *supported())]
        ious, logits = ways[0].decode()
        for way in ways[1:]:
            own_ious, own_logits = way.decode()
            way.result.iou_error = (own_ious - ious).abs().max().item()
            way.result.logit_error = (own_logits - logits).abs().max().item()
        for _ in range(repeats):
            for way in ways:
                way.decode()
        yield from (way.result for way in ways)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--weights", default=".samfleet/weights")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    given = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ALLOCATORS["tuned"].items()):
        command = [sys.executable, "-m", "benchmarks.cpu_kernels", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **ALLOCATORS["tuned"]})  # noqa: S606 - this program again
    options = PathOptions(given.variant, given.weights, "cpu", None)
    environment = read_environment(fingerprint(torch.device("cpu")))
    results = []
    for result in compare(options, given.image.read_bytes(), given.threads, given.repeats):
        results.append(asdict(result))
        print(
            f"{result.kernels}, {result.threads} threads: a prompt scored, drawn, packed: CPU "
            f"{' + '.join(f'{part.cpu_ms:.2f}' for part in (result.score, result.draw, result.pack))} ms, wall "
            f"{' + '.join(f'{part.wall_ms:.2f}' for part in (result.score, result.draw, result.pack))} ms; "
            f"IoUs within {result.iou_error:.1e}, logits within {result.logit_error:.1e}",
            flush=True,
        )
    if given.out:
        report = {"variant": given.variant, "image": given.image.name, "environment": asdict(environment)}
        given.out.write_text(json.dumps({**report, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
