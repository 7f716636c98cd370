"""Runs the steps one after the other, each in a process with a time limit, up to the deadline of the whole run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import ROOT
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import write_json
from benchmarks.gpu_check.steps import Step

LEAST_SECONDS = 15.0  # torch alone takes some seconds to start
LAST_SECONDS = 3.0  # reserved for the summary
SHOWN = 3000  # characters shown of a failed process's output
GOOD = frozenset({"passed", "not_here"})

Result = dict[str, Any]
Command = Callable[[Step, Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `command` returns the argv of a step's process, which writes its result to the given path."""

    options: Options
    command: Command
    variables: Mapping[str, str]

    def results(self, steps: Sequence[Step]) -> Iterator[Result]:
        """Yield each step's result as soon as it is in its file."""
        deadline = time.monotonic() + self.options.minutes * 60 - LAST_SECONDS
        for index, step in enumerate(steps):
            path = Path(self.options.out) / f"{index + 1}-{step.name}.json"
            path.unlink(missing_ok=True)
            left = deadline - time.monotonic()
            if left < LEAST_SECONDS:
                result: Result = {"step": step.name, "status": "skipped", "error": f"{max(0.0, left):.0f} s were left"}
            else:
                result = self._result(step, path, limit(left, step, steps[index:]))
            write_json(path, result)
            yield result

    def _result(self, step: Step, path: Path, seconds: float) -> Result:
        """Read the process's result, and add how it ended if the result does not say so."""
        begun = time.monotonic()
        variables = dict(self.variables)
        if step.interpreted and self.options.device == "cpu":
            variables["TRITON_INTERPRET"] = "1"  # read when Triton is imported, which torch does
        code, written = run_process(self.command(step, path), variables, seconds)
        found: Result = json.loads(path.read_text()) if path.exists() else {"step": step.name, "items": []}
        found["process_seconds"] = round(time.monotonic() - begun, 3)
        if code is None:
            found |= {"status": "timed_out", "error": f"ended after its {seconds:.0f} s"}
        elif found.get("status", "running") == "running":
            found |= {"status": "crashed", "error": f"the process ended with {code}"}
        if found["status"] not in GOOD:
            found["output"] = written[-SHOWN:].splitlines()
        return found


def limit(left: float, step: Step, steps: Sequence[Step]) -> float:
    """Return this step's part of the remaining time, by the shares of all remaining steps.

    All of them benefit from saved time.
    """
    return left * step.share / sum(other.share for other in steps)


def run_process(argv: Sequence[str], variables: Mapping[str, str], seconds: float) -> tuple[int | None, str]:
    """Return the exit code, None after a timeout, and the output. Kills the process with all its children."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter and modules of this package
        argv,
        cwd=ROOT,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        written, _ = process.communicate()
        return None, written
    return process.returncode, written


def child_command(options: Options) -> Command:
    return lambda step, path: [
        sys.executable,
        "-m",
        "benchmarks.gpu_check.child",
        step.name,
        options.to_json(),
        str(path),
    ]
