"""Encoders compiled ahead of time by AOTInductor, kept as files: loading one takes seconds, compiling it minutes.

A package holds machine code and weights for one batch size on a CPU. It belongs to one subject: weights, shapes, source
of the engine, torch, processor and number of threads. Its file is named after the subject's hash; a note beside it has
the subject and the package's SHA-256. A package that is missing, damaged or of another subject is built again.

A user who can write into the folder can run code in the engine, as with torch's own compiler cache in the same place.
"""

from __future__ import annotations

import hashlib
import json
import platform
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor, nn

from samfleet.variants.calibrations import CODE_FIGURES
from samfleet_models.device.hardware import cpu_flags
from samfleet_models.modeling.common import Features
from samfleet_models.version import engine_version

FOLDER = "samfleet_packages"  # in torch's folder of compiled code


def packages_folder() -> Path:
    """Return the folder of packages: in `TORCHINDUCTOR_CACHE_DIR`, or where torch keeps compiled code by default."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    return Path(cache_dir()) / FOLDER


def subject_of(encoder: nn.Module, pixels: Tensor, identity: Mapping[str, object]) -> dict[str, Any]:
    """Return what a package of `encoder` for inputs like `pixels` is valid for; `identity` describes the variant."""
    return {
        "identity": dict(identity),
        "weights": _weights_sha256(encoder),
        "shape": list(pixels.shape),
        "engine": engine_version(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": hashlib.sha256(cpu_flags().encode()).hexdigest(),  # code for another one may not run here
        "threads": torch.get_num_threads(),  # a constant in the generated code
    }


class PackagedEncoder:
    """A compiled encoder, loaded from its package in `folder` or built first. Takes the pixels of one batch size."""

    def __init__(self, encoder: nn.Module, pixels: Tensor, identity: Mapping[str, object], folder: Path) -> None:
        subject = subject_of(encoder, pixels, identity)
        text = json.dumps(subject, sort_keys=True, default=str)
        path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:CODE_FIGURES]}.pt2"
        self.built = not intact(path, text)
        if self.built:
            build(encoder, pixels, path, text)
        self._run = torch._inductor.aoti_load_package(str(path))  # noqa: SLF001 - its documented name

    def __call__(self, pixels: Tensor) -> Features:
        """Encode float32 pixels. The code reads memory in the order of the example, so the order is checked."""
        return cast("Features", tuple(self._run(pixels.contiguous())))


def intact(path: Path, subject: str) -> bool:
    """Test whether the package and its note are there, belong to `subject` and are as they were written."""
    note = path.with_suffix(".json")
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return bool(told["subject"] == subject and told["sha256"] == _sha256(path))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def build(encoder: nn.Module, pixels: Tensor, path: Path, subject: str) -> None:
    """Compile `encoder` and write the package, then its note, each in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        # torch's compiler copies its own deprecated objects
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec", category=FutureWarning)
        made = Path(folder) / path.name
        program = torch.export.export(encoder, (pixels,))
        torch._inductor.aoti_compile_and_package(program, package_path=str(made))  # noqa: SLF001 - its documented name
        note = Path(folder) / "note.json"
        note.write_text(json.dumps({"subject": subject, "sha256": _sha256(made)}, indent=1), encoding="utf-8")
        made.replace(path)
        note.replace(path.with_suffix(".json"))


def _weights_sha256(encoder: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(f"{name}\0{tuple(value.shape)}\0{value.dtype}\0".encode())
        digest.update(value.detach().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
