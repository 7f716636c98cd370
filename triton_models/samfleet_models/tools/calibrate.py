"""Calibrates the precision int8 of a variant on the images of its user, and writes the file that the engine requires.

    python -m samfleet_models.tools.calibrate mobile_sam --images photographs/

`samfleet variants calibrate` runs it. Exit codes: 0 done, 1 not possible, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.variants.calibrations import DEFAULT_MOST_ERROR, Calibration, write_calibration
from samfleet.variants.weights.pins import expected_sha256
from samfleet_models.checkpoints.loading import file_sha256, load_weights
from samfleet_models.device.hardware import prepare_device
from samfleet_models.images.decode import read_image
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.networks.registry import build_network, require_int8
from samfleet_models.precision.calibration import calibrate
from samfleet_models.precision.dtypes import require_supported
from samfleet_models.serving.utf8 import use_utf8
from samfleet_models.tools.surroundings import folder_of_variable, image_files, say, threads, usable_variant
from samfleet_models.version import engine_version

LEAST_IMAGES = 2
MOST_IMAGES = 16  # taken at equal distances from all files by name; ranges settle with a few photographs
CPU = torch.device("cpu")


class CalibrationImagesMissing(InvalidInput):
    """The folder has too few images for a calibration."""

    code = "calibration_images_missing"


class CalibrationImageUnusable(InvalidInput):
    """An image of the calibration cannot be read; repair or remove the file."""

    code = "calibration_image_unusable"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    use_utf8()  # as the backend does
    try:
        calibration = _measure(options)
        path = write_calibration(options.gates_dir, calibration)
    except SamfleetError as error:
        print(f"samfleet: {error.message} [{error.code}]", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    print(_report(calibration, path), end="")  # noqa: T201 - this is a command
    return 0


def find_images(folder: Path) -> list[Path]:
    """Return at most `MOST_IMAGES` of a folder's images. Raises `CalibrationImagesMissing`."""
    found = image_files(folder)
    if len(found) < LEAST_IMAGES:
        raise CalibrationImagesMissing(
            f"{folder} holds {len(found)} images; a calibration needs {LEAST_IMAGES} or more"
        )
    count = min(len(found), MOST_IMAGES)
    return [found[place * len(found) // count] for place in range(count)]


def _measure(options: argparse.Namespace) -> Calibration:
    record = usable_variant(options.variant)
    require_int8(record)
    require_supported("int8", CPU)
    prepare_device(CPU, options.threads)
    files = find_images(options.images)
    checkpoint = options.weights_dir / record.checkpoint.filename
    network = build_network(record)
    load_weights(network, record, checkpoint)
    inputs = [_network_input(network.processor, file) for file in files]
    layers, error = calibrate(network.fused_encoder(), inputs, options.most_error, say)
    return Calibration(
        variant=record.name,
        checkpoint_sha256=expected_sha256(record.checkpoint, checkpoint.parent),
        engine=engine_version(),
        images=tuple(file_sha256(file) for file in files),
        most_error=options.most_error,
        error=error,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        layers=layers,
    )


def _network_input(processor: ImageProcessor, file: Path) -> Tensor:
    try:
        pixels = read_image(file.read_bytes())
    except InvalidInput as error:
        raise CalibrationImageUnusable(f"{file}: {error.message}; repair or remove the file") from error
    return processor.network_input([processor.resize(pixels)], CPU)


def _report(calibration: Calibration, path: Path) -> str:
    """Return what was chosen: the layers that stay in fp32, and the error of the embedding."""
    kept = [layer for layer in calibration.layers if not layer.quantised]
    lines = [
        f"{calibration.variant} in int8, calibrated on {len(calibration.images)} images",
        "",
        f"layers in int8        {len(calibration.layers) - len(kept)} of {len(calibration.layers)}",
        f"multiplications       {calibration.integer_share:.1%} in int8",
        f"error of embeddings   {calibration.error:.4f}, at most {calibration.most_error:g}",
        *([f"kept in fp32          {', '.join(layer.name for layer in kept)}"] if kept else []),
        f"written to {path}",
        f"next: samfleet variants gate {calibration.variant} --precision int8",
    ]
    return "\n".join([*lines, ""])


def _parser() -> argparse.ArgumentParser:
    description = __doc__.split("\n", 1)[0]
    parser = argparse.ArgumentParser(prog="python -m samfleet_models.tools.calibrate", description=description)
    parser.add_argument("variant")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="photographs, sub-folders included")
    parser.add_argument(
        "--most-error", type=_share, default=DEFAULT_MOST_ERROR, metavar="SHARE", help="of the embedding's norm"
    )
    parser.add_argument(
        "--threads", type=int, default=threads(), help="torch's threads on the CPU; default: SAMFLEET_THREADS"
    )
    folder = folder_of_variable
    parser.add_argument("--weights-dir", type=Path, default=folder("SAMFLEET_WEIGHTS_DIR", "weights"), metavar="DIR")
    parser.add_argument("--gates-dir", type=Path, default=folder("SAMFLEET_GATES_DIR", "gates"), metavar="DIR")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return share


if __name__ == "__main__":
    sys.exit(main())
