"""The step of `benchmarks.gpu_check` that compares the kernels, in Triton's interpreter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("triton", exc_type=ImportError)

from benchmarks.gpu_check import kernels
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Recorder
from fixtures.models.shared_data import weights_dir


def test_kernels_are_compared_in_every_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(
        str(tmp_path), str(tmp_path / "work"), device="cpu", small=True, mobile_sam=str(weights_dir() / "mobile_sam.pt")
    )
    recorder = Recorder(tmp_path / "kernels.json", "kernels", {})
    kernels.run(options, recorder)
    status = recorder.finish()
    items = json.loads((tmp_path / "kernels.json").read_text())["items"]
    assert status == "passed", items
    assert len(items) == 1 + len(kernels.ARITHMETICS)
    for item in items[1:]:
        assert item["score_ms"] > 0
        assert item["draw_torch_ms"] > 0
        assert set(item["errors"]) == {"tokens", "factors", "scale", "logits"}
