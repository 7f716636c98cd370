"""A gate from its measurement to the engine that requires it, on a tiny variant with random weights."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.images.scenes import write_bad_files, write_scenes
from fixtures.models.tiny_variant import tiny_variant
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.execution import Execution
from samfleet.variants.gates import PrecisionGateFailed, PrecisionNotGated, read_gate
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.decoder.folded import FoldedDecoder, ScoredPrompts
from samfleet_models.modeling.common import Features
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.ops import onednn
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools import gate_measurement
from samfleet_models.tools.gate import main

# Every mask of every point is kept, so few points give the hundred masks that a gate requires.
ALL_MASKS = EverythingParameters(pred_iou_thresh=-10, stability_score_thresh=0, box_nms_thresh=1.0)
BF16 = Execution("bf16")
encode_plainly = SamNetwork.encode
pytestmark = pytest.mark.skipif(torch.bfloat16 not in onednn.TYPES, reason="needs a CPU with bf16")


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> VariantRecord:
    """A tiny variant with its checkpoint in the folder of the fixture `weights`."""
    record, _ = tiny_variant(tmp_path_factory.getbasetemp())
    return replace(record, everything=ALL_MASKS)


@pytest.fixture
def folders(
    variant: VariantRecord, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with `images`; the command finds weights and gates by environment variables."""
    monkeypatch.setitem(VARIANTS, "tiny", variant)
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setenv("SAMFLEET_GATES_DIR", str(tmp_path / "gates"))
    write_scenes(tmp_path / "images", 5)
    return tmp_path


@pytest.fixture
def checkpoint(variant: VariantRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / variant.checkpoint.filename


def measure(folders: Path, *options: str) -> int:
    arguments = ["tiny", "--precision", "bf16", "--images", str(folders / "images"), "--grid", "3", "--device", "cpu"]
    return main([*arguments, *options])


def loaded(variant: VariantRecord, checkpoint: Path, folders: Path, execution: Execution = BF16) -> Engine:
    settings = EngineSettings(device="cpu", execution=execution, gates_dir=folders / "gates")
    return Engine(variant, checkpoint, settings)


def ask(engine: Engine) -> SegmentReply:
    request = SegmentRequest(bright_square(40, 30), PromptsParameters(), (Prompt(box=(10, 8, 30, 22)),))
    return dict(engine.segment([request]))[0]


@pytest.fixture
def noisy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A candidate whose embeddings are off by a tenth of their range, as after a wrong kernel."""

    def encode(network: SamNetwork, pixels: Tensor) -> Features:
        (embeddings,) = encode_plainly(network, pixels)
        if network.execution.is_reference:
            return (embeddings,)
        noise = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(1))
        return (embeddings + embeddings.std() * noise,)

    with monkeypatch.context() as patch:
        patch.setattr(SamNetwork, "encode", encode)
        yield


def test_a_passed_gate_admits_the_engine_and_is_in_its_replies(
    variant: VariantRecord, checkpoint: Path, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PrecisionNotGated, match="run `samfleet variants gate tiny --precision bf16`"):
        loaded(variant, checkpoint, folders)
    assert measure(folders) == 0
    told = capsys.readouterr().out
    assert "tiny in bf16 against fp32, 3 points per side" in told
    assert "\npassed\nwritten to " in told
    with closing(loaded(variant, checkpoint, folders)) as engine:
        report = ask(engine).report
        assert (report.execution, report.hardware["precision"]) == ("bf16", "bf16")
        assert report.hardware["compilation"] == "none"
        (path,) = (folders / "gates").iterdir()
        assert report.gate == read_gate(path).summary()
        assert report.gate["agreeing_share"] >= 0.95
        assert report.warmup_seconds is None
    with pytest.raises(PrecisionNotGated):
        loaded(variant, checkpoint, folders, Execution("fp16"))


def test_unsupported_precisions_are_not_measured(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onednn, "TYPES", {torch.float32})
    assert measure(folders) == 1
    assert "[precision_unsupported]" in capsys.readouterr().err
    assert not (folders / "gates").exists()


def test_fp32_needs_no_gate(variant: VariantRecord, checkpoint: Path) -> None:
    with closing(Engine(variant, checkpoint, EngineSettings(device="cpu"))) as engine:
        report = ask(engine).report
    assert (report.execution, report.gate, report.hardware["precision"]) == ("fp32", None, "fp32")


def test_only_fp32_loads_without_a_folder_of_gates(variant: VariantRecord, checkpoint: Path) -> None:
    for execution in (BF16, Execution("fp32", "compile")):
        with pytest.raises(PrecisionNotGated, match="set SAMFLEET_GATES_DIR"):
            Engine(variant, checkpoint, EngineSettings(device="cpu", execution=execution))


@pytest.mark.usefixtures("noisy")
def test_a_worse_candidate_fails_and_is_not_served(
    variant: VariantRecord, checkpoint: Path, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(folders) == 1
    assert "\nfailed: share of masks at IoU 0.9 or more" in capsys.readouterr().out
    with pytest.raises(PrecisionGateFailed, match="serve it in fp32"):
        loaded(variant, checkpoint, folders)


def test_nan_embeddings_fail_a_gate(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(network: SamNetwork, pixels: Tensor) -> Features:
        (embeddings,) = encode_plainly(network, pixels)
        return (embeddings * (1.0 if network.execution.is_reference else math.nan),)

    monkeypatch.setattr(SamNetwork, "encode", encode)
    assert measure(folders) == 1
    (path,) = (folders / "gates").iterdir()
    found = read_gate(path)
    assert re.fullmatch(r"scene_00\.png: the scores of \d+ prompts are not finite numbers", found.faults[0])
    assert len(found.faults) == 5
    assert found.unscored_prompts > 5


def test_a_prompt_without_a_finite_score_fails_a_gate(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SegEvery drops its masks by score, and the other masks agree well enough."""
    score = FoldedDecoder.score
    lost: list[Tensor] = []

    def losing(decoder: FoldedDecoder, *question: Any) -> ScoredPrompts:
        scored = score(decoder, *question)
        if not lost and decoder._types.drawing is not torch.float32:
            lost.append(scored.ious[0].fill_(math.nan))
        return scored

    monkeypatch.setattr(FoldedDecoder, "score", losing)
    assert measure(folders) == 1
    (path,) = (folders / "gates").iterdir()
    found = read_gate(path)
    assert found.findings == ("scene_00.png: the scores of 1 prompts are not finite numbers",)
    assert found.unscored_prompts == 1


@pytest.mark.parametrize("when", ["loading", "running"])
def test_a_crash_fails_a_gate(folders: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    class Crashing(Engine):
        def __init__(self, record: VariantRecord, checkpoint: Path, settings: EngineSettings) -> None:
            super().__init__(record, checkpoint, settings)
            if not self.execution.is_reference:
                if when == "loading":
                    raise RuntimeError("no kernel image")
                monkeypatch.setattr(SamNetwork, "encode", crash)

    def crash(*_: object) -> Features:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(gate_measurement, "Engine", Crashing)
    assert measure(folders) == 1
    (path,) = (folders / "gates").iterdir()
    found = read_gate(path)
    assert found.faults == tuple(f"scene_0{n}.png: RuntimeError: no kernel image" for n in range(5))
    assert (found.figures.images, found.figures.candidate_masks, found.figures.agreeing_share) == (5, 0, 0.0)


def test_a_gate_that_cannot_be_measured_reports_the_reason(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(folders, "--precision", "fp32") == 1
    assert "[gate_of_reference]" in capsys.readouterr().err
    write_bad_files(folders / "images")
    assert measure(folders) == 1
    assert "fails in fp32: image_too_large" in capsys.readouterr().err
    assert measure(folders, "--images", str(folders / "none")) == 1
    assert "holds 0 images; a gate needs 5 or more [gate_images_missing]" in capsys.readouterr().err
    assert not (folders / "gates").exists()


def test_the_gate_file_can_be_printed_instead_of_the_table(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(folders, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    (path,) = (folders / "gates").iterdir()
    assert printed == json.loads(path.read_text())
    assert (printed["passed"], printed["points_per_side"]) == (True, 3)


def test_the_measurement_needs_no_other_part() -> None:
    """It runs on a GPU machine that has torch, numpy, pillow, scipy and pycocotools."""
    absent = (
        "alembic",
        "boto3",
        "celery",
        "httpx",
        "psycopg",
        "pydantic",
        "pynvml",
        "redis",
        "rich",
        "sqlalchemy",
        "structlog",
    )
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import samfleet_models.tools.gate"
    subprocess.run([sys.executable, "-c", code], check=True)
