"""Our reference of LVIS's rules against the package lvis, which `make test-tools` installs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.images.survey_sets import as_lvis, found_masks, made_up
from fixtures.models.shared_data import shared_path
from reference.plain_lvis import plain_figures

pytestmark = pytest.mark.tools

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_lvis.py")
LAST_BITS = 1e-12  # the package runs under another numpy, which adds the numbers of a mean in another order


@pytest.fixture(params=["made up", "coco_dev", "lvis_val_100"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "made up":
        return as_lvis(made_up(40))
    if request.param == "coco_dev":
        return as_lvis(json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes()))
    found: dict[str, Any] = json.loads(shared_path("ref", "coco_eval", "lvis_val_100.json").read_bytes())
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_reference_has_the_figures_of_the_package(document: dict[str, Any], seed: int, tmp_path: Path) -> None:
    results = found_masks(document, most=300, seed=seed)
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    (tmp_path / "results.json").write_text(json.dumps(results))
    command = [PYTHON, READER, tmp_path / "annotations.json", tmp_path / "results.json"]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    theirs = json.loads(finished.stdout)
    assert plain_figures(document, results) == pytest.approx(theirs, rel=LAST_BITS, abs=0)
