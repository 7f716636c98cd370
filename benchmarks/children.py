"""The parent's side of a measured process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import OTHER_PYTHON, Case, Contender, Sample
from benchmarks.environment import child_environment
from samfleet.variants.catalogue import get_variant

ROOT = Path(__file__).resolve().parents[1]
IMPORT_ROOTS = ("services", "worker", "triton_models", "tests", ".")
STOP_SECONDS = 30
THRESHOLDS = ("pred_iou_thresh", "stability_score_thresh", "stability_score_offset", "box_nms_thresh")


class ChildFailed(Exception):
    """A measured process ended before it replied; its own output says why."""


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """Options of the measured processes.

    `other_python` runs the implementations of `OTHER_PYTHON`; `official` is the folder of the official package.
    """

    variant: str
    weights: str
    device: str
    threads: int | None
    other_python: str = sys.executable
    official: str | None = None

    def of_engine(self, contender: Contender) -> dict[str, Any]:
        names = ("variant", "weights", "device", "threads")
        own = {name: getattr(self, name) for name in names}
        return {**own, "path": contender.path, "execution": contender.execution}

    def of_other(self, contender: Contender) -> dict[str, Any]:
        record = get_variant(self.variant)
        return {
            "path": contender.path,
            "variant": self.variant,
            "checkpoint": str(Path(self.weights) / record.checkpoint.filename),
            "device": self.device,
            "threads": self.threads,
            "official": self.official,
            "thresholds": {name: getattr(record.everything, name) for name in THRESHOLDS},
        }


class ChildProcess:
    """A contender in a separate process, started with its allocator's settings. Use it in a `with`."""

    def __init__(self, contender: Contender, options: ChildOptions) -> None:
        self.contender = contender
        environment = child_environment(contender.allocator, os.environ)
        if contender.path in OTHER_PYTHON:
            command = [options.other_python, "-m", "benchmarks.contenders", json.dumps(options.of_other(contender))]
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        else:
            command = [sys.executable, "-m", "benchmarks.child", json.dumps(options.of_engine(contender))]
            environment["PYTHONPATH"] = os.pathsep.join(
                [*(str(ROOT / part) for part in IMPORT_ROOTS), *filter(None, [os.environ.get("PYTHONPATH")])]
            )
        self._process = subprocess.Popen(  # noqa: S603 - our own modules
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()  # ends its loop
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def hardware(self) -> dict[str, Any]:
        return dict(self._request({"order": "hardware"}))

    def warm(self, case: Case) -> None:
        """Run a small case of the same kind, unmeasured."""
        self._request({"order": "warm", **asdict(case)})

    def measure(self, case: Case) -> Sample:
        return Sample.from_dict(self._request({"order": "measure", **asdict(case)}))

    def masks(self) -> list[list[dict[str, Any]]]:
        """Return the masks of each image of the last measured case, as run lengths {"size", "counts"}."""
        return list(self._request({"order": "masks"}))

    def versions(self) -> dict[str, str]:
        """Return the versions of a contender's packages; only the implementations of `OTHER_PYTHON` answer this."""
        return dict(self._request({"order": "versions"}))

    def count(self, case: Case) -> int:
        """Return the floating-point operations of a decode or of the image encoder."""
        return int(self._request({"order": "count", **asdict(case)}))

    def count_stages(self, case: Case) -> dict[str, int]:
        """Run a case and return the floating-point operations of its stages; the process must have one thread."""
        return dict(self._request({"order": "count_stages", **asdict(case)}))

    def matrix_peak(self, precision: str) -> float:
        """Return the peak in GFLOP/s."""
        return float(self._request({"order": "peak", "precision": precision}))

    def gate(self, images: list[str], per_side: int) -> dict[str, Any]:
        """Return the numeric gate of this contender's execution, in the format of its file."""
        return dict(self._request({"order": "gate", "images": images, "size": per_side}))

    def stream(self, images: list[str], per_side: int, count: int) -> dict[str, float]:
        return dict(self._request({"order": "stream", "images": images, "size": per_side, "count": count}))

    def _request(self, order: dict[str, Any]) -> Any:
        pipes = self._process.stdin, self._process.stdout
        if pipes[0] is None or pipes[1] is None:
            raise ChildFailed("the process was started without pipes")
        try:
            pipes[0].write(json.dumps(order) + "\n")
            pipes[0].flush()
            line = pipes[1].readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ChildFailed(f"{self.contender.name} ended with status {self._process.wait()} during {order['order']}")
        return json.loads(line)["answer"]
