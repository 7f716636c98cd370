"""Hashes of weights whose authors publish none: that of the first file is written down and holds from then on."""

from __future__ import annotations

import json
from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet.variants.record import Checkpoint

PINS_FILE = "pins.json"


class WeightsUnpinned(SamfleetError):
    """No hash of these weights is known; fetch them with `samfleet variants pull` or `samfleet variants import`."""

    code = "weights_unpinned"


def read_pins(weights_dir: Path) -> dict[str, str]:
    """sha256 by file name."""
    path = weights_dir / PINS_FILE
    pins: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return pins


def expected_sha256(checkpoint: Checkpoint, weights_dir: Path) -> str:
    """The published hash, or the one that was pinned in this folder."""
    expected = checkpoint.sha256 or read_pins(weights_dir).get(checkpoint.filename)
    if expected is None:
        raise WeightsUnpinned(
            f"no sha256 of {checkpoint.filename} is published and none is pinned in {weights_dir}; fetch it with "
            "`samfleet variants pull NAME` or give a file that you hold to `samfleet variants import NAME FILE`"
        )
    return expected
