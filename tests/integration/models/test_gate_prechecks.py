"""Checks of a gate before it measures the candidate, whose compilation takes minutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.models.tiny_variant import tiny_variant
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.task import EverythingParameters
from samfleet_models.tools import gate_measurement
from samfleet_models.tools.gate import _parser, main

ALL_MASKS = EverythingParameters(pred_iou_thresh=-10, stability_score_thresh=0, box_nms_thresh=1.0)


def test_photographs_with_too_few_masks_are_reported_before_compilation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record, _ = tiny_variant(tmp_path)
    monkeypatch.setitem(VARIANTS, "tiny", replace(record, everything=ALL_MASKS))
    write_scenes(tmp_path / "images", 5)
    monkeypatch.setattr(gate_measurement, "_candidate_answers", lambda *_: pytest.fail("the candidate was loaded"))
    arguments = ["--images", str(tmp_path / "images"), "--grid", "1", "--device", "cpu", "--compilation", "compile"]
    folders = ["--weights-dir", str(tmp_path), "--gates-dir", str(tmp_path / "gates")]
    assert main(["tiny", *arguments, *folders]) == 1
    told = capsys.readouterr().err
    assert "masks in 5 images with 1 points per side, and a gate needs 100" in told
    assert "[gate_masks_missing]" in told
    assert not (tmp_path / "gates").exists()


def test_a_gate_uses_as_many_threads_as_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["tiny", "--images", "images"]
    monkeypatch.setenv("SAMFLEET_THREADS", "3")
    assert _parser().parse_args(arguments).threads == 3
    assert _parser().parse_args([*arguments, "--threads", "5"]).threads == 5
    monkeypatch.setenv("SAMFLEET_THREADS", "")
    assert _parser().parse_args(arguments).threads is None
