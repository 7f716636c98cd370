"""Decides which executions may serve: the reference always, every other one only with a passed gate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samfleet.variants.calibrations import Calibration, require_calibration
from samfleet.variants.execution import Execution
from samfleet.variants.gates import Gate, GateSubject, PrecisionNotGated, require_gate
from samfleet.variants.record import VariantRecord
from samfleet_models.version import engine_version


def gate_subject(
    record: VariantRecord,
    execution: Execution,
    hardware: Mapping[str, Any],
    sha256: str,
    calibration: str | None = None,
) -> GateSubject:
    """Return the conditions for which a gate of this execution is valid.

    `hardware` is from `device.hardware.fingerprint`, `calibration` the SHA-256 of the file for int8.
    """
    return GateSubject(
        variant=record.name,
        execution=str(execution),
        checkpoint_sha256=sha256,
        device_kind=hardware["device_kind"],
        device_name=hardware["device_name"],
        torch=hardware["torch"],
        cuda=hardware["cuda"],
        engine=engine_version(),
        calibration=calibration,
    )


def calibration_for(
    record: VariantRecord, execution: Execution, sha256: str, gates_dir: Path | None
) -> tuple[Calibration | None, str | None]:
    """Return the calibration and the SHA-256 of its file, None for precisions without one.

    Raises `CalibrationMissing` and `CalibrationUnreadable`.
    """
    if execution.precision != "int8":
        return None, None
    return require_calibration(gates_dir, record.name, sha256, engine_version())


def admit(
    record: VariantRecord,
    execution: Execution,
    hardware: Mapping[str, Any],
    sha256: str,
    gates_dir: Path | None,
    calibration: str | None = None,
) -> Gate | None:
    """Return the gate that admits an execution, None for the reference. Raises the errors of `require_gate`."""
    if execution.is_reference:
        return None
    subject = gate_subject(record, execution, hardware, sha256, calibration)
    if gates_dir is None:
        raise PrecisionNotGated(
            f"{record.name} in {execution} needs a gate, and no folder of gates is configured; set SAMFLEET_GATES_DIR "
            f"and run `{subject.command}` on this machine"
        )
    return require_gate(gates_dir, subject)
