"""The benchmark's comparison with the real official package, where its path is given.

`SAMFLEET_OFFICIAL` is a checkout of MobileSAM, `SAMFLEET_OFFICIAL_PYTHON` a Python with torchvision and timm.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.engine import arguments, run
from fixtures.models.shared_data import shared_path, weights_dir


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_the_official_package_finds_the_same_masks() -> None:
    official, python = (os.environ.get(name) for name in ("SAMFLEET_OFFICIAL", "SAMFLEET_OFFICIAL_PYTHON"))
    if not official or not python:
        pytest.skip("needs SAMFLEET_OFFICIAL and SAMFLEET_OFFICIAL_PYTHON: the official package is no dependency")
    coco = shared_path("data", "coco_dev")
    image = coco / "images" / "000000005001.jpg"
    words = ["--weights", str(weights_dir()), "--images", str(image), "--against", "--official", official]
    words += ["--official-python", python, "--boxes", str(coco), "--boxed-images", "2", "--allocators", "tuned"]
    result = run(arguments([*words, "--prompts", "--grids", "8", "--pairs", "1", "--no-memory"]))
    encoder, everything, boxes = result.pairings
    assert (encoder.case.kind, encoder.masks) == ("encode", None)
    for pairing in (everything, boxes):
        print(f"{pairing.case.name}: {pairing.masks}, {pairing.ratio.median:.2f} times")
        assert pairing.masks is not None
        assert pairing.masks.ours == pairing.masks.theirs > 0
        assert pairing.masks.share >= 0.99
    assert boxes.masks is not None
    assert boxes.masks.ours == boxes.case.size
    assert result.other_versions["official"]["torch"]
