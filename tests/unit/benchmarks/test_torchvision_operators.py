from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.contenders.torchvision_operators import nms
from reference.nms import nms_slowly

ROOT = Path(__file__).resolve().parents[3]
IMPORT_AND_USE = """
import torch
from benchmarks.contenders.torchvision_operators import prepare_torchvision, stands_in
prepare_torchvision()
import torchvision
kept = torchvision.keep(torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 6, 6]]), torch.tensor([0.1, 0.9, 0.5]), 0.5)
from torchvision.extension import _has_ops
print(stands_in(), _has_ops(), kept.tolist())
"""


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_the_same_boxes_remain_as_by_torchvision(threshold: float) -> None:
    rng = np.random.default_rng(1)
    corners = rng.integers(0, 20, (200, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 10, (200, 2))], axis=1).astype(np.float32)
    scores = rng.integers(0, 50, 200).astype(np.float32)  # with ties
    found = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert found.tolist() == nms_slowly(boxes, scores, threshold).tolist()
    assert nms(torch.empty(0, 4), torch.empty(0), threshold).tolist() == []


def test_a_torchvision_without_its_operators_is_imported_with_the_plain_one(tmp_path: Path) -> None:
    """Its import fails like the real one's, in the middle, where the operator's fake is registered."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("from torchvision import part\nkeep = part.keep\n")
    (package / "part.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def fake(dets, scores, iou_threshold): ...\n"
        "keep = torch.ops.torchvision.nms\n"
    )
    (package / "extension.py").write_text("def _has_ops():\n    return False\n")
    command = [sys.executable, "-c", IMPORT_AND_USE]
    done = subprocess.run(command, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=True)
    assert done.stdout == "True True [1, 2]\n"
