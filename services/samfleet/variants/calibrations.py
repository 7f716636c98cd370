"""Calibrations: how a variant's image encoder computes in int8, measured on the images of its user.

A calibration is a JSON file that `samfleet variants calibrate` writes beside the gates and the engine requires for the
precision int8. It is valid for one checkpoint and one source of the engine. The gate of int8 is valid for one
calibration.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from samfleet.errors import SamfleetError

CODE_FIGURES = 16  # hexadecimal digits of a subject's hash in file names
DEFAULT_MOST_ERROR = 0.01  # of the embedding's norm; bf16 has about 0.03, fp16 0.002 (ADR 10)


class CalibrationMissing(SamfleetError):
    """int8 needs a calibration for this checkpoint and engine; run `samfleet variants calibrate` with your images."""

    code = "calibration_missing"


class CalibrationUnreadable(SamfleetError):
    """A calibration file cannot be read; remove it and run `samfleet variants calibrate` again."""

    code = "calibration_unreadable"


@dataclass(frozen=True, slots=True)
class LayerCalibration:
    """One layer of the image encoder.

    `operations` are its multiplications per image. `error` is the relative error of the embedding if only this layer is
    in int8. A number x of input channel c is the integer x / `scales[c]` + `zero`, rounded and limited to 0..255. A
    layer that is not `quantised` stays in fp32.
    """

    name: str
    operations: int
    error: float
    quantised: bool
    zero: int
    scales: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """One measurement.

    `images` are the SHA-256 of the files, `error` is the relative error of the embedding with all quantised layers, at
    most `most_error`; `measured_at` is UTC.
    """

    variant: str
    checkpoint_sha256: str
    engine: str
    images: tuple[str, ...]
    most_error: float
    error: float
    measured_at: str
    layers: tuple[LayerCalibration, ...]

    @property
    def integer_share(self) -> float:
        """Share of the multiplications of the listed layers that are in int8."""
        total = sum(layer.operations for layer in self.layers)
        return sum(layer.operations for layer in self.layers if layer.quantised) / total if total else 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        fields = json.loads(text)
        layers = tuple(LayerCalibration(**{**layer, "scales": tuple(layer["scales"])}) for layer in fields["layers"])
        return cls(**{**fields, "images": tuple(fields["images"]), "layers": layers})


def calibration_path(folder: Path, variant: str, checkpoint_sha256: str, engine: str) -> Path:
    """Return where the calibration of this checkpoint and engine lies. `*@*.json` are the gates of the same folder."""
    digest = hashlib.sha256(f"{variant}\0{checkpoint_sha256}\0{engine}".encode()).hexdigest()[:CODE_FIGURES]
    return folder / f"{variant}-int8-{digest}.calibration.json"


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write the file in one step; replaces an earlier calibration of the same checkpoint and engine."""
    folder.mkdir(parents=True, exist_ok=True)
    path = calibration_path(folder, calibration.variant, calibration.checkpoint_sha256, calibration.engine)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(calibration.to_json(), encoding="utf-8")
    return partial.replace(path)


def require_calibration(
    folder: Path | None, variant: str, checkpoint_sha256: str, engine: str
) -> tuple[Calibration, str]:
    """Return the calibration and the SHA-256 of its file; otherwise raise an error that names the command to run."""
    command = f"samfleet variants calibrate {variant} --images DIR"
    if folder is None:
        raise CalibrationMissing(
            f"{variant} in int8 needs a calibration, and no folder of gates is configured; set SAMFLEET_GATES_DIR and "
            f"run `{command}`"
        )
    path = calibration_path(folder, variant, checkpoint_sha256, engine)
    if not path.is_file():
        raise CalibrationMissing(
            f"{variant} in int8 has no calibration for its weights and this engine in {folder}; run `{command}`"
        )
    content = path.read_bytes()
    try:
        calibration = Calibration.from_json(content.decode())
    except (ValueError, KeyError, TypeError) as error:
        raise CalibrationUnreadable(f"{path} is no calibration: {error}; run `{command}` again") from error
    if (calibration.variant, calibration.checkpoint_sha256, calibration.engine) != (variant, checkpoint_sha256, engine):
        raise CalibrationUnreadable(f"{path} is not the calibration that its name states; run `{command}` again")
    return calibration, hashlib.sha256(content).hexdigest()
