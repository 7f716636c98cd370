"""State of the gates on this machine, as far as it can be determined without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from samfleet.config import Settings
from samfleet.variants.calibrations import calibration_path
from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.execution import Execution, Executions
from samfleet.variants.gates import Gate, PrecisionGateFailed, PrecisionNotGated, command_of, gates_of
from samfleet.variants.record import VariantRecord
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_models.version import engine_version


def gates_folder(stack: StackSettings) -> Path:
    return (stack.gates_dir or StateDir(stack.state_dir).gates).resolve()


def gates_here(gates_dir: Path, record: VariantRecord) -> Iterator[tuple[Gate, str]]:
    """Yield the gates of a variant in a folder, each with its state: "passed", "failed", or the reason why it is
    outdated.

    The device is not compared, because that needs torch; a folder of gates belongs to one machine.
    """
    for gate in gates_of(gates_dir, record.name):
        yield gate, _state(gate, record, gates_dir)


def require_gates(settings: Settings, stack: StackSettings, variants: Iterable[str] = ()) -> None:
    """Raise an error for an execution that Triton would refuse to load, because the stack would never become ready. An
    external Triton has its own gates.
    """
    if "pools" in settings.model_fields_set:
        return
    executions = Executions.parse(stack.execution, VARIANTS)
    for name in dict.fromkeys((*stack.variants, *variants)):
        record, execution = get_variant(name), executions.of(name)
        if not execution.is_reference:
            _require(gates_folder(stack), record, execution)


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _require(gates_dir: Path, record: VariantRecord, execution: Execution) -> None:
    found = [(gate, state) for gate, state in gates_here(gates_dir, record) if gate.subject.execution == str(execution)]
    states = [state for _, state in found]
    if "passed" in states:
        return
    for gate, state in found:
        if state == "failed":
            raise PrecisionGateFailed(
                f"{record.name} in {execution} failed its gate: {'; '.join(gate.findings)}; serve it in fp32"
            )
    measured = f"; gates there: {', '.join(states)}" if states else ""
    raise PrecisionNotGated(
        f"{record.name} in {execution} has no gate in {gates_dir}{measured}; run `{command_of(record.name, execution)}`"
    )


def _state(gate: Gate, record: VariantRecord, gates_dir: Path) -> str:
    here, torch = gate.subject, installed_version("torch")
    now = {
        "weights": (here.checkpoint_sha256, record.checkpoint.sha256),
        "engine": (here.engine, engine_version()),
        "torch": (here.torch.partition("+")[0], torch.partition("+")[0] if torch else None),
        "calibration": (here.calibration, _calibration_of(gate, gates_dir)),
    }
    changed = [name for name, (then, today) in now.items() if today is not None and then != today]
    if changed:
        return f"outdated: different {' and '.join(changed)}"
    return "passed" if gate.passed else "failed"


def _calibration_of(gate: Gate, gates_dir: Path) -> str | None:
    """Return the SHA-256 of the calibration that the engine would use, empty if there is none; None without int8."""
    here = gate.subject
    if here.calibration is None:
        return None
    path = calibration_path(gates_dir, here.variant, here.checkpoint_sha256, here.engine)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
