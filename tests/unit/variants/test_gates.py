from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.models.gates import SUBJECT, gate
from samfleet.variants.gates import (
    GateFigures,
    GateSubject,
    GateUnreadable,
    PrecisionGateFailed,
    PrecisionNotGated,
    gates_of,
    read_gate,
    require_gate,
    write_gate,
)


def test_a_gate_file_round_trips(tmp_path: Path) -> None:
    written = gate(faults=("coffee.png: ValueError: no",))
    path = write_gate(tmp_path / "gates", written)
    assert read_gate(path) == written
    assert path.name.startswith("mobile_sam@bf16-")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    told = json.loads(path.read_text())
    assert (told["passed"], told["findings"]) == (False, ["coffee.png: ValueError: no"])


def test_a_new_measurement_replaces_the_old_one(tmp_path: Path) -> None:
    write_gate(tmp_path, gate(agreeing_share=0.5))
    write_gate(tmp_path, gate())
    assert require_gate(tmp_path, SUBJECT) == gate()


@pytest.mark.parametrize("name", [field.name for field in fields(GateSubject)])
def test_a_gate_is_valid_only_for_its_measured_configuration(tmp_path: Path, name: str) -> None:
    write_gate(tmp_path, gate())
    other = replace(SUBJECT, **{name: "fp16+compile" if name == "execution" else "other"})
    with pytest.raises(PrecisionNotGated) as error:
        require_gate(tmp_path, other)
    assert error.value.code == "precision_not_gated"
    assert other.command in error.value.message


def test_the_suggested_command_is_complete() -> None:
    assert SUBJECT.command == "samfleet variants gate mobile_sam --precision bf16"
    compiled = replace(SUBJECT, execution="fp16+cuda_graphs")
    assert compiled.command == "samfleet variants gate mobile_sam --precision fp16 --compilation cuda_graphs"


@pytest.mark.parametrize(
    ("figures", "finding"),
    [
        ({"agreeing_share": 0.949}, "share of masks at IoU 0.9 or more 0.949, needed 0.95"),
        ({"paired_iou": 0.96}, "mean IoU of paired masks 0.96, needed 0.97"),
        ({"box_iou": 0.5}, "mean IoU of box-prompted masks 0.5, needed 0.97"),
        ({"box_iou": math.nan}, "mean IoU of box-prompted masks nan, needed 0.97"),
        ({"images": 4}, "images 4, needed 5"),
        ({"reference_masks": 99}, "masks of fp32 99, needed 100"),
    ],
)
def test_one_figure_out_of_bounds_fails_a_gate(figures: dict[str, Any], finding: str) -> None:
    assert gate().passed
    assert gate(**figures).findings == (finding,)


def test_a_failed_gate_does_not_permit_serving(tmp_path: Path) -> None:
    write_gate(tmp_path, gate(agreeing_share=0.9, paired_iou=0.9))
    with pytest.raises(PrecisionGateFailed, match=r"0\.9, needed 0\.95; .*0\.9, needed 0\.97; serve it in fp32"):
        require_gate(tmp_path, SUBJECT)


def test_a_pass_is_decided_from_the_figures_and_not_from_the_stored_verdict(tmp_path: Path) -> None:
    path = write_gate(tmp_path, gate(agreeing_share=0.2))
    path.write_text(path.read_text().replace('"passed": false', '"passed": true'))
    with pytest.raises(PrecisionGateFailed):
        require_gate(tmp_path, SUBJECT)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"subject": {"variant": 1}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = write_gate(tmp_path, gate())
    path.write_text(text)
    with pytest.raises(GateUnreadable, match=path.name):
        require_gate(tmp_path, SUBJECT)


def test_a_renamed_file_is_not_a_gate(tmp_path: Path) -> None:
    path = write_gate(tmp_path, gate())
    other = replace(SUBJECT, torch="2.14.0")
    path.rename(tmp_path / other.file_name)
    with pytest.raises(GateUnreadable, match="not the gate that its name states"):
        require_gate(tmp_path, other)


def test_gates_are_listed_per_variant(tmp_path: Path) -> None:
    assert list(gates_of(tmp_path / "none", "mobile_sam")) == []
    fp16 = replace(SUBJECT, execution="fp16")
    for subject in (SUBJECT, fp16, replace(SUBJECT, variant="mobile_sam_2")):
        write_gate(tmp_path, gate(subject))
    assert [found.subject for found in gates_of(tmp_path, "mobile_sam")] == [SUBJECT, fp16]


def test_the_gate_stored_with_a_run_has_every_figure() -> None:
    summary = gate().summary()
    assert {field.name for field in fields(GateFigures)} <= summary.keys()
    assert summary["measured_at"] == "2026-11-22T12:00:00+00:00"
