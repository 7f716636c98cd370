"""Measures whether an execution may serve a variant on this machine, and writes the gate that the engine requires.

    python -m samfleet_models.tools.gate mobile_sam --precision bf16 --images photographs/

`samfleet variants gate` runs it. It needs only torch, numpy, pillow, scipy and pycocotools, so it runs on a machine
that has just those and a GPU. Exit codes: 0 passed, 1 failed or not measured, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.variants.calibrations import Calibration
from samfleet.variants.execution import Compilation, Execution, Precision
from samfleet.variants.gates import LABELS, LEAST, LEAST_IMAGES, Gate, write_gate
from samfleet.variants.weights.pins import expected_sha256
from samfleet_models.checkpoints.loading import file_sha256
from samfleet_models.networks.registry import require_int8
from samfleet_models.precision.admission import calibration_for
from samfleet_models.serving.engine import EngineSettings
from samfleet_models.serving.utf8 import use_utf8
from samfleet_models.tools.gate_measurement import measure_gate
from samfleet_models.tools.surroundings import folder_of_variable, image_files, say, threads, usable_variant


class GateImagesMissing(InvalidInput):
    """The folder has too few images for a gate."""

    code = "gate_images_missing"


class ReferenceNeedsNoGate(InvalidInput):
    """Plain fp32 is the reference of all gates; name another precision or a compilation."""

    code = "gate_of_reference"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    use_utf8()  # as the backend does
    try:
        gate, path = _measure_and_write(options)
    except SamfleetError as error:
        print(f"samfleet: {error.message} [{error.code}]", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    print(gate.to_json() if options.json else _report(gate, path), end="")  # noqa: T201 - this is a command
    return 0 if gate.passed else 1


def find_images(folder: Path) -> list[Path]:
    found = image_files(folder)
    if len(found) < LEAST_IMAGES:
        raise GateImagesMissing(f"{folder} holds {len(found)} images; a gate needs {LEAST_IMAGES} or more")
    return list(found)


def unseen_images(images: Sequence[Path], calibration: Calibration | None) -> list[Path]:
    """Return the images that the calibration has not seen: on those it has, int8 is better than on others."""
    if calibration is None:
        return list(images)
    unseen = [path for path in images if file_sha256(path) not in calibration.images]
    if len(unseen) < LEAST_IMAGES:
        raise GateImagesMissing(
            f"{len(images) - len(unseen)} of {len(images)} images were used for the calibration, and a gate needs "
            f"{LEAST_IMAGES} others; add photographs, or calibrate with other ones"
        )
    return unseen


def _measure_and_write(options: argparse.Namespace) -> tuple[Gate, Path]:
    record = usable_variant(options.variant)
    settings = EngineSettings(
        device=options.device,
        threads=options.threads,
        kernels=os.environ.get("SAMFLEET_KERNELS") or None,
        execution=Execution(options.precision, options.compilation),
        gates_dir=options.gates_dir,
    )
    if settings.execution.is_reference:
        raise ReferenceNeedsNoGate
    task = replace(record.everything, **({"points_per_side": options.grid} if options.grid else {}))
    checkpoint = options.weights_dir / record.checkpoint.filename
    images = find_images(options.images)
    if settings.execution.precision == "int8":
        require_int8(record)
        sha256 = expected_sha256(record.checkpoint, options.weights_dir)
        images = unseen_images(images, calibration_for(record, settings.execution, sha256, options.gates_dir)[0])
    gate = measure_gate(record, checkpoint, settings, images, task, say)
    return gate, write_gate(options.gates_dir, gate)


def _report(gate: Gate, path: Path) -> str:
    """Return the figures as a table, next to the required values."""
    subject, width = gate.subject, max(map(len, LABELS.values()))
    lines = [
        f"{subject.variant} in {subject.execution} against fp32, {gate.points_per_side} points per side",
        f"on {subject.device_name}, torch {subject.torch}",
        "",
        f"{'':{width}}  {'measured':>10}  {'needed':>6}",
    ]
    for name, value in asdict(gate.figures).items():
        shown = f"{value:.4f}" if isinstance(value, float) else str(value)
        needed = f"{LEAST[name]:g}" if name in LEAST else ""
        lines.append(f"{LABELS[name]:{width}}  {shown:>10}  {needed:>6}".rstrip())
    verdict = "passed" if gate.passed else "failed: " + "\n        ".join(gate.findings)
    return "\n".join([*lines, "", verdict, f"written to {path}", ""])


def _parser() -> argparse.ArgumentParser:
    folder = folder_of_variable
    parser = argparse.ArgumentParser(prog="python -m samfleet_models.tools.gate", description=__doc__.split("\n", 1)[0])
    parser.add_argument("variant")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32")
    parser.add_argument("--compilation", choices=get_args(Compilation), default="none")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="photographs, sub-folders included")
    parser.add_argument("--grid", type=int, metavar="N", help="points per side; by default the variant's")
    parser.add_argument("--device", default=os.environ.get("SAMFLEET_DEVICE", "auto"), help="auto, cpu, cuda, cuda:N")
    parser.add_argument(
        "--threads", type=int, default=threads(), help="torch's threads on the CPU; default: SAMFLEET_THREADS"
    )
    parser.add_argument("--weights-dir", type=Path, default=folder("SAMFLEET_WEIGHTS_DIR", "weights"), metavar="DIR")
    parser.add_argument("--gates-dir", type=Path, default=folder("SAMFLEET_GATES_DIR", "gates"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print the file instead of the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
