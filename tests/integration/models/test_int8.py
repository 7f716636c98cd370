"""int8 from its calibration through the gate to the engine, on a tiny variant with random weights."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.images.encoded_images import bright_square
from fixtures.images.scenes import write_scenes
from fixtures.models.tiny_variant import tiny_variant
from samfleet.variants.calibrations import CalibrationMissing, require_calibration
from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.gates import PrecisionNotGated
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.modeling.quantised import QuantisedLinear
from samfleet_models.networks.registry import Int8Unsupported, network_of
from samfleet_models.ops import integer_layers
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools import calibrate, gate
from samfleet_models.version import engine_version

INT8 = Execution("int8")
ALL_MASKS = EverythingParameters(pred_iou_thresh=-10, stability_score_thresh=0, box_nms_thresh=1.0)
pytestmark = pytest.mark.skipif(not integer_layers.supported(), reason="needs a CPU with VNNI or AMX")


@pytest.fixture
def variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VariantRecord:
    """A tiny variant, and folders of images to calibrate with and to measure."""
    record, _ = tiny_variant(tmp_path)
    record = replace(record, everything=ALL_MASKS)
    monkeypatch.setitem(VARIANTS, "tiny", record)
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("SAMFLEET_GATES_DIR", str(tmp_path / "gates"))
    write_scenes(tmp_path / "images", 7)
    for number in (0, 1):
        own = tmp_path / "own"
        own.mkdir(exist_ok=True)
        (own / f"{number}.png").write_bytes((tmp_path / "images" / f"scene_0{number}.png").read_bytes())
    return record


def loaded(record: VariantRecord, folder: Path, *, ungated: bool = False) -> Engine:
    settings = EngineSettings(device="cpu", execution=INT8, gates_dir=folder / "gates", ungated=ungated)
    return Engine(record, folder / record.checkpoint.filename, settings)


def test_a_calibration_and_its_gate_admit_int8(
    variant: VariantRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = ["tiny", "--precision", "int8", "--images", str(tmp_path / "images"), "--grid", "3", "--device", "cpu"]
    for ungated in (False, True):
        with pytest.raises(CalibrationMissing, match="run `samfleet variants calibrate tiny --images DIR`"):
            loaded(variant, tmp_path, ungated=ungated)
    assert gate.main(measured) == 1
    assert "[calibration_missing]" in capsys.readouterr().err

    assert calibrate.main(["tiny", "--images", str(tmp_path / "own"), "--most-error", "0.02"]) == 0
    told = capsys.readouterr().out
    assert "calibrated on 2 images" in told
    assert "next: samfleet variants gate tiny --precision int8" in told
    found, digest = require_calibration(tmp_path / "gates", "tiny", str(variant.checkpoint.sha256), engine_version())
    assert 0 < found.error <= 0.02
    with pytest.raises(PrecisionNotGated, match="run `samfleet variants gate tiny --precision int8`"):
        loaded(variant, tmp_path)

    assert gate.main([*measured, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["subject"]["calibration"] == digest
    assert written["figures"]["images"] == 5  # without the two of the calibration
    with closing(loaded(variant, tmp_path)) as engine:
        request = SegmentRequest(bright_square(40, 30), PromptsParameters(), (Prompt(box=(10, 8, 30, 22)),))
        report = dict(engine.segment([request]))[0].report
    assert (report.execution, report.hardware["precision"]) == ("int8", "int8")
    assert report.gate is not None

    assert calibrate.main(["tiny", "--images", str(tmp_path / "own"), "--most-error", "0.03"]) == 0
    with pytest.raises(PrecisionNotGated):  # the gate was of the other calibration
        loaded(variant, tmp_path)


@pytest.mark.usefixtures("variant")
def test_images_of_the_calibration_are_no_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate.main(["tiny", "--images", str(tmp_path / "images"), "--most-error", "0.02"]) == 0
    assert gate.main(["tiny", "--precision", "int8", "--images", str(tmp_path / "images"), "--device", "cpu"]) == 1
    assert "7 of 7 images were used for the calibration, and a gate needs 5 others" in capsys.readouterr().err


def test_only_calibrated_layers_are_integers(variant: VariantRecord, tmp_path: Path) -> None:
    assert calibrate.main(["tiny", "--images", str(tmp_path / "own"), "--most-error", "0.01"]) == 0
    found, _ = require_calibration(tmp_path / "gates", "tiny", str(variant.checkpoint.sha256), engine_version())
    network = network_of(variant, INT8, found)
    chosen = [layer for layer in found.layers if layer.quantised]
    assert 0 < len(chosen) < len(found.layers)
    assert QuantisedLinear not in {type(part) for part in network.fused_encoder().modules()}  # type: ignore[attr-defined]  # of SamNetwork


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("none", "holds 0 images; a calibration needs 2 or more [calibration_images_missing]"),
        ("bad", "bad.png: the file is not an image"),
    ],
)
def test_unusable_images_are_named(
    variant: VariantRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str], images: str, message: str
) -> None:
    (tmp_path / "bad").mkdir()
    for name in ("bad.png", "worse.png"):
        (tmp_path / "bad" / name).write_bytes(b"no picture")
    assert calibrate.main([variant.name, "--images", str(tmp_path / images)]) == 1
    assert message in capsys.readouterr().err


def test_other_families_have_no_int8() -> None:
    for name in ("fastsam_s", "mobilesamv2", "squeezesam"):
        with pytest.raises(Int8Unsupported, match=f"^{name}: int8 is for variants with an image encoder"):
            network_of(get_variant(name), INT8)


def test_a_processor_without_integer_instructions_is_refused(
    variant: VariantRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(integer_layers, "supported", lambda: False)
    assert calibrate.main([variant.name, "--images", "."]) == 1
    assert "[precision_unsupported]" in capsys.readouterr().err
