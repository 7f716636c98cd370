"""The benchmark's comparison with the real packages that users would pick instead, where their path is given.

`SAMFLEET_OFFICIAL` is a checkout of MobileSAM, `SAMFLEET_OFFICIAL_PYTHON` a Python with torchvision and timm,
and perhaps ultralytics and transformers.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from benchmarks.engine import arguments, run
from benchmarks.results import Pairing, Result
from fixtures.models.shared_data import shared_path, weights_dir

MODULES = {"official": "torchvision", "ultralytics": "ultralytics", "pipeline": "transformers"}
# ultralytics thresholds masks at another size, and counts stability with another offset.
LEAST_EQUAL = {"official": 0.99, "pipeline": 0.99, "ultralytics": 0.0}


@pytest.fixture(scope="module")
def result() -> Result:
    official, python = (os.environ.get(name) for name in ("SAMFLEET_OFFICIAL", "SAMFLEET_OFFICIAL_PYTHON"))
    if not official or not python:
        pytest.skip("needs SAMFLEET_OFFICIAL and SAMFLEET_OFFICIAL_PYTHON: the official package is no dependency")
    coco = shared_path("data", "coco_dev")
    image = coco / "images" / "000000005001.jpg"
    words = ["--weights", str(weights_dir()), "--images", str(image), "--official", official]
    words += ["--official-python", python, "--boxes", str(coco), "--boxed-images", "1", "--allocators", "tuned"]
    words += ["--prompts", "--grids", "4", "--pairs", "1", "--no-memory"]
    return run(arguments([*words, "--against", *(name for name in MODULES if installed(python, MODULES[name]))]))


def installed(python: str, module: str) -> bool:
    command = [python, "-c", f"import importlib.util, sys; sys.exit(not importlib.util.find_spec('{module}'))"]
    return subprocess.run(command, check=False).returncode == 0


def pairings(result: Result, opponent: str, kind: str) -> list[Pairing]:
    return [one for one in result.pairings if (one.theirs.contender.path, one.case.kind) == (opponent, kind)]


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("opponent", MODULES)
def test_other_packages_find_the_same_masks(result: Result, opponent: str) -> None:
    if opponent not in result.other_versions:
        pytest.skip(f"the Python of SAMFLEET_OFFICIAL_PYTHON has no {MODULES[opponent]}")
    (everything,) = pairings(result, opponent, "everything")
    (boxes,) = pairings(result, opponent, "boxes")
    for pairing in (everything, boxes):
        print(f"{pairing.case.name}, {opponent}: {pairing.masks}, {pairing.ratio.median:.2f} times")
        assert pairing.masks is not None
        assert pairing.masks.share >= LEAST_EQUAL[opponent]
        assert pairing.masks.mean_iou is not None
        assert pairing.masks.mean_iou > 0.9
        assert pairing.ours.stage_gflop["encode"] > 30
    assert everything.masks is not None
    assert boxes.masks is not None
    assert boxes.masks.ours == boxes.case.size
    assert everything.masks.ours > 0
