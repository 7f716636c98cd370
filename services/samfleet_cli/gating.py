"""`samfleet variants gate` behind its options, and what the gates on this machine say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet.errors import NotFound
from samfleet.variants.execution import Execution
from samfleet.variants.gates import Gate, gates_of
from samfleet.variants.record import VariantRecord
from samfleet_cli.demonstration import copy_photographs
from samfleet_cli.local_stack.triton_command import CPU_TUNING
from samfleet_models.version import engine_version


class TorchNotInstalled(NotFound):
    """A gate is measured by torch, which is not installed here; `pip install 'samfleet[triton]'`."""

    code = "torch_not_installed"


@dataclass(frozen=True, slots=True)
class GateRun:
    """What is measured. Without `images` the demo's photographs are; `grid` None is the variant's."""

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

    It has a process of its own: the allocator's settings with which Triton runs count from the start of a process.
    """
    if _installed("torch") is None:
        raise TorchNotInstalled
    with TemporaryDirectory(prefix="samfleet-gate-") as folder:
        images = wanted.images
        if images is None:
            images = Path(folder)
            copy_photographs(images)
        return subprocess.run(_command(wanted, images), env={**os.environ, **CPU_TUNING}, check=False).returncode


def gates_here(gates_dir: Path, record: VariantRecord) -> Iterator[tuple[Gate, str]]:
    """The gates of a variant in a folder, each with its state: "passed", "failed", or why it no longer holds.

    The device is not asked for, which would take torch: a folder of gates belongs to one machine.
    """
    for gate in gates_of(gates_dir, record.name):
        yield gate, _state(gate, record)


def _state(gate: Gate, record: VariantRecord) -> str:
    here, torch = gate.subject, _installed("torch")
    now = {
        "weights": (here.checkpoint_sha256, record.checkpoint.sha256),
        "engine": (here.engine, engine_version()),
        "torch": (here.torch.partition("+")[0], torch.partition("+")[0] if torch else None),
    }
    changed = [name for name, (then, today) in now.items() if today is not None and then != today]
    if changed:
        return f"outdated: another {' and '.join(changed)}"
    return "passed" if gate.passed else "failed"


def _command(wanted: GateRun, images: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "samfleet_models.gate", wanted.variant),
        *("--precision", wanted.execution.precision, "--compilation", wanted.execution.compilation),
        *("--images", str(images), "--device", wanted.device),
        *("--weights-dir", str(wanted.weights_dir), "--gates-dir", str(wanted.gates_dir)),
        *(("--grid", str(wanted.grid)) if wanted.grid is not None else ()),
        *(("--json",) if wanted.as_json else ()),
    ]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
