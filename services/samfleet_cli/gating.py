"""`samfleet variants gate` behind its options."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet.errors import NotFound
from samfleet.variants.execution import Execution
from samfleet_cli.demonstration import OBJECTS, copy_photographs
from samfleet_cli.local_stack.gates import installed_version
from samfleet_cli.local_stack.triton_command import CPU_TUNING, UTF8


class TorchNotInstalled(NotFound):
    """A gate is measured by torch, which is not installed here; `pip install 'samfleet[triton]'`."""

    code = "torch_not_installed"


@dataclass(frozen=True, slots=True)
class GateRun:
    """What is measured. Without `images` ten of scikit-image's are; `grid` None is the variant's."""

    variant: str
    execution: Execution
    weights_dir: Path
    gates_dir: Path
    images: Path | None = None
    grid: int | None = None
    device: str = "auto"
    as_json: bool = False


def run_gate(wanted: GateRun) -> int:
    """The exit code of the measurement, which prints its own figures.

    It has a process of its own, with what decides on the arithmetic and on files in Triton's: the allocator's settings
    and the encoding count from the start of a process.
    """
    if installed_version("torch") is None:
        raise TorchNotInstalled
    with TemporaryDirectory(prefix="samfleet-gate-") as folder:
        images = wanted.images
        if images is None:
            images = Path(folder)
            copy_photographs(images, OBJECTS)
        return subprocess.run(
            _command(wanted, images), env={**os.environ, **CPU_TUNING, **UTF8}, check=False
        ).returncode


def _command(wanted: GateRun, images: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "samfleet_models.tools.gate", wanted.variant),
        *("--precision", wanted.execution.precision, "--compilation", wanted.execution.compilation),
        *("--images", str(images), "--device", wanted.device),
        *("--weights-dir", str(wanted.weights_dir), "--gates-dir", str(wanted.gates_dir)),
        *(("--grid", str(wanted.grid)) if wanted.grid is not None else ()),
        *(("--json",) if wanted.as_json else ()),
    ]
