"""The benchmark itself, on its smallest cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.engine import arguments, run
from benchmarks.report import write
from fixtures.images.scenes import scene
from fixtures.models.shared_data import weights_dir

GATE_IMAGES = 40  # of three masks each: a gate needs 100


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_every_contender_is_measured_in_pairs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "scene.png"
    scene().resize((64, 48), Image.Resampling.BILINEAR).save(image)
    words = ["--weights", str(weights_dir()), "--images", str(image), "--prompts", "4", "--grids", "2", "--pairs", "1"]
    words += ["--memory-grid", "2", "--stream", "2", "--soak", "2", "--soak-grid", "2", "--allocators", "tuned"]
    words += ["--executions", "bf16", "fp32", "--gate-grid", "2", "--gate-images", *([str(image)] * GATE_IMAGES)]
    options = arguments(words)
    result = run(options)
    write(result, tmp_path / "engine.json")
    read = json.loads((tmp_path / "engine.json").read_text())
    names = [
        (pairing["ours"]["contender"]["execution"], pairing["name"], pairing["theirs"]["contender"]["path"])
        for pairing in read["pairings"]
    ]
    assert names == [
        (execution, *case)
        for execution in ("fp32", "bf16")
        for case in (
            ("decoder, 4 prompts", "transformers"),
            ("encoder", "plain"),
            ("decoder, 4 prompts", "plain"),
            ("SegEvery 2x2", "plain"),
        )
    ]
    (everything, _) = (pairing for pairing in read["pairings"] if pairing["name"] == "SegEvery 2x2")
    assert everything["masks"]["ours"] == everything["masks"]["theirs"]
    assert everything["masks"]["share"] == 1.0
    encoder = next(pairing for pairing in read["pairings"] if pairing["name"] == "encoder")
    assert everything["ours"]["stage_gflop"]["encode"] == encoder["ours"]["gflop"] > 70
    (gate,) = read["gates"]
    assert (gate["subject"]["execution"], gate["points_per_side"]) == ("bf16", 2)
    assert gate["figures"]["images"] == GATE_IMAGES
    decodes = [pairing["ours"]["gflop"] for pairing in read["pairings"] if pairing["name"].startswith("decoder")]
    assert all(count > 3 for count in decodes)  # for 4 prompts, one GFLOP each; work in an uncounted thread would show
    assert all(len(pairing["ours"]["samples"]) == 1 for pairing in read["pairings"])
    assert read["memory"][0]["peak_bytes"] > 0
    assert read["streams"][0]["images_per_second"] > 0
    assert read["soak"]["early_image"] == 2
    assert "of the peak" in capfd.readouterr().out
