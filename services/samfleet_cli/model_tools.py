"""Commands of the model code, run in subprocesses: gates, comparisons, distillation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet.errors import NotFound
from samfleet.variants.execution import Execution
from samfleet_cli.jobs.demo import OBJECTS, copy_photographs
from samfleet_cli.local_stack.gates import installed_version
from samfleet_cli.local_stack.triton_command import CPU_TUNING, UTF8, compiled_folders


class TorchNotInstalled(NotFound):
    """This command needs torch, which is not installed; `pip install 'samfleet[triton]'`."""

    code = "torch_not_installed"


@dataclass(frozen=True, slots=True)
class GateRun:
    """Settings of a gate measurement. Default `images`: ten of scikit-image. `grid` None: the variant's grid.

    Compiled encoders are kept in the folder `compiled`, where the stack of the same state directory finds them.
    """

    variant: str
    execution: Execution
    weights_dir: Path
    gates_dir: Path
    images: Path | None = None
    grid: int | None = None
    device: str = "auto"
    as_json: bool = False
    compiled: Path | None = None


def run_gate(wanted: GateRun) -> int:
    """Measure a gate in a subprocess, which prints the results, and return its exit code."""
    with TemporaryDirectory(prefix="samfleet-gate-") as folder:
        images = wanted.images
        if images is None:
            images = Path(folder)
            copy_photographs(images, OBJECTS)
        environment = {**compiled_folders(wanted.compiled), **os.environ}
        return _run("tools.gate", _arguments(wanted, images), environment)


def _run(module: str, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run a module of the model code in a subprocess and return its exit code. Raises `TorchNotInstalled`.

    The environment is Triton's for arithmetic and files, because the allocator's settings and the encoding take effect
    only at the start of a process.
    """
    if installed_version("torch") is None:
        raise TorchNotInstalled
    command = [sys.executable, "-m", f"samfleet_models.{module}", *arguments]
    return subprocess.run(command, env={**environment, **CPU_TUNING, **UTF8}, check=False).returncode


def _arguments(wanted: GateRun, images: Path) -> list[str]:
    return [
        wanted.variant,
        *("--precision", wanted.execution.precision, "--compilation", wanted.execution.compilation),
        *("--images", str(images), "--device", wanted.device),
        *("--weights-dir", str(wanted.weights_dir), "--gates-dir", str(wanted.gates_dir)),
        *(("--grid", str(wanted.grid)) if wanted.grid is not None else ()),
        *(("--json",) if wanted.as_json else ()),
    ]


@dataclass(frozen=True, slots=True)
class CalibrationRun:
    """Settings of a calibration for int8. `most_error` None: the default limit."""

    variant: str
    images: Path
    weights_dir: Path
    gates_dir: Path
    most_error: float | None = None
    threads: int | None = None


def run_calibration(wanted: CalibrationRun) -> int:
    """Calibrate in a subprocess and return its exit code."""
    arguments = [
        *(wanted.variant, "--images", str(wanted.images)),
        *("--weights-dir", str(wanted.weights_dir), "--gates-dir", str(wanted.gates_dir)),
        *(("--most-error", str(wanted.most_error)) if wanted.most_error is not None else ()),
        *(("--threads", str(wanted.threads)) if wanted.threads is not None else ()),
    ]
    return _run("tools.calibrate", arguments)


def run_verify(folder: Path, names: Sequence[str], threads: int | None) -> int:
    """Run the comparison in a subprocess and return its exit code."""
    return _run("parity.verify", [str(folder), *names, *(["--threads", str(threads)] if threads else [])])


def run_stand_ins(names: Sequence[str], out: Path) -> int:
    """Write stand-ins in a subprocess, which prints their records, and return its exit code."""
    return _run("tools.stand_ins", ["--out", str(out), *names])


def run_distill(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a distillation in a subprocess, which prints its progress, and return its exit code."""
    return _run("tools.distill", arguments, environment)
