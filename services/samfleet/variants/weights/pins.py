"""Pinned hashes of weights without a published hash: the hash of the first file is stored and required from then on."""

from __future__ import annotations

import json
from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet.variants.record import Checkpoint
from samfleet.variants.weights.disk import disk_errors, place
from samfleet.variants.weights.lock import file_lock

PINS_FILE = "pins.json"


class WeightsUnpinned(SamfleetError):
    """No hash of these weights is known; fetch them with `samfleet variants pull` or `samfleet variants import`."""

    code = "weights_unpinned"


class PinsUnreadable(SamfleetError):
    """The file of pinned hashes cannot be read; repair or remove it, and import the weights that you trust again."""

    code = "pins_unreadable"


def read_pins(weights_dir: Path) -> dict[str, str]:
    """Return sha256 by file name."""
    path = weights_dir / PINS_FILE
    if not path.exists():
        return {}
    try:
        pins = json.loads(path.read_text())
    except ValueError as error:
        raise PinsUnreadable(f"{path} is not JSON ({error}); {PinsUnreadable.__doc__}") from error
    if not isinstance(pins, dict) or not all(isinstance(value, str) for value in pins.values()):
        raise PinsUnreadable(f"{path} is not a table of hashes; {PinsUnreadable.__doc__}")
    return pins


def write_pin(weights_dir: Path, filename: str, sha256: str) -> None:
    """Pin a hash in one step, without losing what another process pins at the same time."""
    path = weights_dir / PINS_FILE
    with file_lock(path):
        pins = {**read_pins(weights_dir), filename: sha256}
        written = path.with_name(f".{PINS_FILE}.new")
        with disk_errors(written):
            written.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n")
        place(written, path)


def known_sha256(checkpoint: Checkpoint, weights_dir: Path) -> str | None:
    """Return the published hash, or the one that was pinned in this folder, if any."""
    return checkpoint.sha256 or read_pins(weights_dir).get(checkpoint.filename)


def expected_sha256(checkpoint: Checkpoint, weights_dir: Path) -> str:
    """Return the known hash; raises `WeightsUnpinned` without one, because weights of unknown hash are never read."""
    expected = known_sha256(checkpoint, weights_dir)
    if expected is None:
        raise WeightsUnpinned(
            f"no sha256 of {checkpoint.filename} is published and none is pinned in {weights_dir}; fetch it with "
            "`samfleet variants pull NAME` or import your own file with `samfleet variants import NAME FILE`"
        )
    return expected
