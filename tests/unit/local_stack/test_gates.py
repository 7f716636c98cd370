from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.gates import SUBJECT, gate
from samfleet.config import Settings
from samfleet.variants.calibrations import Calibration, write_calibration
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import ExecutionInvalid
from samfleet.variants.gates import PrecisionGateFailed, PrecisionNotGated, write_gate
from samfleet_cli.local_stack import gates
from samfleet_cli.local_stack.gates import require_gates
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_models.version import engine_version

HERE = replace(SUBJECT, checkpoint_sha256=str(get_variant("mobile_sam").checkpoint.sha256), engine=engine_version())


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackSettings:
    """A stack whose execution is bf16."""
    monkeypatch.setattr(gates, "installed_version", lambda _: SUBJECT.torch)
    return StackSettings(state_dir=tmp_path, execution="mobile_sam=bf16")


def test_a_stack_in_fp32_needs_no_gate(tmp_path: Path) -> None:
    require_gates(Settings(), StackSettings(state_dir=tmp_path))


def test_a_stack_starts_only_with_passed_gates(stack: StackSettings, tmp_path: Path) -> None:
    with pytest.raises(PrecisionNotGated, match=r"has no gate in .*/gates; run `samfleet variants gate mobile_sam"):
        require_gates(Settings(), stack)
    write_gate(tmp_path / "gates", gate(replace(HERE, execution="fp16")))
    write_gate(tmp_path / "gates", gate(replace(HERE, torch="1.0")))
    with pytest.raises(PrecisionNotGated, match="gates there: outdated: different torch; run"):
        require_gates(Settings(), stack)
    write_gate(tmp_path / "gates", gate(HERE, agreeing_share=0.9))
    with pytest.raises(PrecisionGateFailed, match=r"share of masks at IoU 0.9 or more 0.9, needed 0.95; serve it"):
        require_gates(Settings(), stack)
    write_gate(tmp_path / "gates", gate(HERE))
    require_gates(Settings(), stack)


def test_a_gate_of_int8_is_void_with_another_calibration(stack: StackSettings, tmp_path: Path) -> None:
    sha256, folder = str(HERE.checkpoint_sha256), tmp_path / "gates"
    measured = Calibration("mobile_sam", sha256, HERE.engine, (), 0.01, 0.005, "2026-11-30T01:00:00+00:00", ())
    own = hashlib.sha256(write_calibration(folder, measured).read_bytes()).hexdigest()
    int8 = stack.model_copy(update={"execution": "int8"})
    write_gate(folder, gate(replace(HERE, execution="int8", calibration=own)))
    require_gates(Settings(), int8)
    again = write_calibration(folder, replace(measured, error=0.006))
    with pytest.raises(PrecisionNotGated, match="gates there: outdated: different calibration; run"):
        require_gates(Settings(), int8)
    again.unlink()
    with pytest.raises(PrecisionNotGated, match="gates there: outdated: different calibration; run"):
        require_gates(Settings(), int8)


def test_a_misspelt_execution_is_refused_before_anything_starts(tmp_path: Path) -> None:
    for execution, message in (("mobil=bf16", "'mobil=bf16' names no variant"), ("int4", "precision 'int4'")):
        with pytest.raises(ExecutionInvalid, match=message):
            require_gates(Settings(), StackSettings(state_dir=tmp_path, execution=execution))


def test_gates_are_also_required_for_variants_named_by_a_command(stack: StackSettings) -> None:
    other = stack.model_copy(update={"variants": ()})
    require_gates(Settings(), other)
    with pytest.raises(PrecisionNotGated):
        require_gates(Settings(), other, ["mobile_sam"])


def test_an_external_triton_checks_its_own_gates(stack: StackSettings) -> None:
    require_gates(Settings(pools={"gpu": ("triton:8001",)}), stack)
