"""Commands of the model code as processes of their own: fit of weights, gates, comparison with official outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet.errors import InvalidInput, NotFound
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pull import Check
from samfleet_cli.jobs.demo import OBJECTS, copy_photographs
from samfleet_cli.local_stack.gates import installed_version
from samfleet_cli.local_stack.triton_command import CPU_TUNING, UTF8


class WeightsDoNotFit(InvalidInput):
    """The weights are not of this variant's architecture."""

    code = "weights_do_not_fit"


def fit_check(record: VariantRecord, weights_dir: Path) -> Check | None:
    """Holds a file, with the variant's others, against the network, key by key and shape by shape; None without torch.

    A file that comes before the others is judged with the last of them: a network may need all to be built.
    """
    if installed_version("torch") is None:
        return None

    def check(role: str, path: Path) -> None:
        files = {other: weights_dir / checkpoint.filename for other, checkpoint in record.files.items()} | {role: path}
        if not all(file.is_file() for file in files.values()):
            return
        pairs = [f"{name}={file}" for name, file in files.items()]
        command = [sys.executable, "-m", "samfleet_models.tools.fit", record.name, *pairs]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode != 0:
            raise WeightsDoNotFit(
                f"{record.files[role].filename} does not fit {record.name}: {_last_line(done.stderr)}"
            )

    return check


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "the check ended without a word"


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


def run_verify(folder: Path, names: Sequence[str], threads: int | None) -> int:
    """The exit code of the comparison, which prints its own lines, in a process with Triton's allocator settings."""
    if installed_version("torch") is None:
        raise TorchNotInstalled
    command = [sys.executable, "-m", "samfleet_models.parity.verify", str(folder), *names]
    command += ["--threads", str(threads)] if threads else []
    return subprocess.run(command, env={**os.environ, **CPU_TUNING}, check=False).returncode
