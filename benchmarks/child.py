"""One measured process: `python -m benchmarks.child '{"path": "engine", ...}'`, then one order per line of stdin.

Orders and answers are lines of JSON. A process runs one path under one allocator's settings, so its measurements are
not affected by another path's memory, threads or kernel caches.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import Case, Sample
from benchmarks.contenders.run_lengths import run_lengths
from benchmarks.contenders.server import serve
from benchmarks.flops import matrix_peak, synchronize
from benchmarks.memory import peak_bytes, resident_bytes
from benchmarks.paths import PATHS, EnginePath, Found, MeasuredPath, PathOptions
from benchmarks.stage_operations import counted_stages
from samfleet_models.device.peak_memory import PeakMemory
from samfleet_models.tools.flops import count_flops

WARM_UP = {"decode": 4, "everything": 2}  # prompts, points per side
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Child:
    def __init__(self, path: MeasuredPath, options: PathOptions) -> None:
        self._path = path
        self._options = options
        self._device = path.engine.device
        self._masks: list[list[dict[str, Any]]] = []
        self._orders: dict[str, Callable[[dict[str, Any]], Any]] = {
            "hardware": lambda _: path.engine.hardware,
            "warm": self._warm,
            "measure": self._measure,
            "masks": lambda _: self._masks,
            "count": self._count,
            "count_stages": self._count_stages,
            "peak": lambda order: matrix_peak(self._device, DTYPES[order["precision"]]),
            "stream": self._stream,
            "gate": self._gate,
        }

    @torch.inference_mode()
    def answer(self, order: dict[str, Any]) -> Any:
        return self._orders[order["order"]](order)

    def _warm(self, order: dict[str, Any]) -> None:
        case = Case.from_dict(order)
        if case.kind in WARM_UP and self._device.type == "cpu":  # on CUDA each size must warm up its kernels and memory
            case = replace(case, size=WARM_UP[case.kind])
        self._prepared(replace(case, boxed=case.boxed[:1]))()

    def _measure(self, order: dict[str, Any]) -> dict[str, Any]:
        work = self._prepared(Case.from_dict(order))
        PeakMemory(self._device).reset()
        synchronize(self._device)
        begun = time.perf_counter()
        found = work()
        synchronize(self._device)
        seconds = time.perf_counter() - begun
        memory = resident_bytes(), peak_bytes(self._device)
        if not isinstance(found, Found):
            return asdict(Sample(seconds, *memory))
        self._masks = [[run_lengths(mask) for mask in masks] for masks in found.images]
        return asdict(Sample(seconds, *memory, found.stages_ms, found.masks))

    def _count(self, order: dict[str, Any]) -> int:
        case = Case.from_dict(order)
        data = Path(case.image).read_bytes()
        if case.kind == "encode":
            return count_flops(self._path.encode(data))
        return self._path.decode_flops(data, case.size)

    def _count_stages(self, order: dict[str, Any]) -> dict[str, int]:
        self._warm(order)  # the first run also prepares what all images share
        work = self._prepared(Case.from_dict(order))
        with counted_stages() as found:
            work()
        return dict(found)

    def _gate(self, order: dict[str, Any]) -> dict[str, Any]:
        """Measure the gate of this process's execution against fp32."""
        images = [Path(image) for image in order["images"]]
        gate = self._options.gate(images, order["size"], lambda text: print(text, file=sys.stderr))
        return dict(json.loads(gate.to_json()))

    def _stream(self, order: dict[str, Any]) -> dict[str, float]:
        from benchmarks.streams import stream

        images = [Path(image).read_bytes() for image in order["images"]]
        return asdict(stream(self._path.engine, images, order["size"], order["count"]))

    def _prepared(self, case: Case) -> Callable[[], object]:
        """Return the work to time. Reading the file and other preparation happen here."""
        data = Path(case.image).read_bytes()
        if case.kind == "encode":
            return self._path.encode(data)
        if case.kind == "decode":
            return self._path.decode(data, case.size)
        if case.kind == "boxes":
            images = [(Path(boxed.image).read_bytes(), boxed.boxes) for boxed in case.boxed]
            path = self._path
            if not isinstance(path, EnginePath):
                raise TypeError(f"{type(path).__name__} has no case of boxes (`benchmarks.cases.KINDS`)")
            return lambda: path.boxes(images)
        return lambda: self._path.everything(data, case.size)


def main() -> None:
    given = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries' output must not mix with the answers
    if given["threads"] is not None:
        torch.set_num_threads(given["threads"])
    names = ("variant", "weights", "device", "threads", "execution")
    options = PathOptions(**{name: given[name] for name in names})
    serve(Child(PATHS[given["path"]](options), options).answer, sys.stdin, answers)


if __name__ == "__main__":
    main()
