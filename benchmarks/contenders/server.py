"""Answers the orders of `benchmarks.children` for a contender: lines of JSON on both pipes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import torch

from benchmarks.cases import WITH_MASKS, Case, Sample
from benchmarks.contenders.interface import Contender, Mask
from benchmarks.contenders.run_lengths import run_lengths
from benchmarks.contenders.torchvision_operators import stands_in
from benchmarks.memory import peak_bytes, resident_bytes

WARM_UP_GRID = 2
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "opencv-python", "ultralytics", "transformers")


class Server:
    """One contender. `masks` answers with those of the last measured case, outside of the measured time."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._found: list[Sequence[Mask]] = []
        self._orders: dict[str, Callable[[dict[str, Any]], Any]] = {
            "versions": lambda _: versions(),
            "warm": self._warm,
            "measure": self._measure,
            "masks": lambda _: [[run_lengths(mask) for mask in masks] for masks in self._found],
        }

    def answer(self, order: dict[str, Any]) -> Any:
        return self._orders[order["order"]](order)

    def _warm(self, order: dict[str, Any]) -> None:
        case = Case.from_dict(order)
        if case.kind == "everything" and self._contender.device.type == "cpu":
            case = replace(case, size=WARM_UP_GRID)
        self._prepared(replace(case, boxed=case.boxed[:1]))()

    def _measure(self, order: dict[str, Any]) -> dict[str, Any]:
        case = Case.from_dict(order)
        work = self._prepared(case)
        self._synchronize()
        begun = time.perf_counter()
        self._found = work()
        self._synchronize()
        seconds = time.perf_counter() - begun
        masks = sum(map(len, self._found)) if case.kind in WITH_MASKS else None
        return asdict(Sample(seconds, resident_bytes(), peak_bytes(self._contender.device), masks=masks))

    def _prepared(self, case: Case) -> Callable[[], list[Sequence[Mask]]]:
        """Return the work to time, which returns the masks of each image."""
        contender, image = self._contender, Path(case.image)
        if case.kind == "encode":
            return _without_masks(contender.encode(image))
        if case.kind == "boxes":
            return lambda: [contender.boxes(Path(boxed.image), boxed.boxes) for boxed in case.boxed]
        return lambda: [contender.everything(image, case.size)]

    def _synchronize(self) -> None:
        if self._contender.device.type == "cuda":
            torch.cuda.synchronize(self._contender.device)


def _without_masks(encode: Callable[[], object]) -> Callable[[], list[Sequence[Mask]]]:
    def work() -> list[Sequence[Mask]]:
        encode()
        return []

    return work


def versions() -> dict[str, str]:
    """Return the versions of the installed packages, and which torchvision operator is not its own."""
    found = {
        package: metadata.version(package)
        for package in PACKAGES
        if any(True for _ in metadata.distributions(name=package))
    }
    return {**found, "torchvision's nms": "plain stand-in"} if stands_in() else found


def serve(answer: Callable[[dict[str, Any]], Any], orders: TextIO, answers: TextIO) -> None:
    """Answer one line after the other until the pipe is closed."""
    for line in orders:
        answers.write(json.dumps({"answer": answer(json.loads(line))}) + "\n")
        answers.flush()
