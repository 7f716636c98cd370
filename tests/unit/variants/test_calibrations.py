"""Files of calibrations: what is read back, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from samfleet.variants.calibrations import (
    Calibration,
    CalibrationMissing,
    CalibrationUnreadable,
    LayerCalibration,
    calibration_path,
    require_calibration,
    write_calibration,
)
from samfleet.variants.gates import gates_of

LAYERS = (
    LayerCalibration("stem.0", 300, 0.02, False, 128, (0.1, 0.1, 0.1)),
    LayerCalibration("neck.0", 700, 0.001, True, 3, (0.25, 1e-7)),
)
CALIBRATION = Calibration(
    "mobile_sam", "a" * 64, "0123", ("b" * 64,), 0.01, 0.0075, "2026-11-30T01:00:00+00:00", LAYERS
)
KEY = ("mobile_sam", "a" * 64, "0123")


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_calibration(tmp_path / "gates", CALIBRATION)
    found, digest = require_calibration(tmp_path / "gates", *KEY)
    assert found == CALIBRATION
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.integer_share == 0.7
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert list(gates_of(path.parent, "mobile_sam")) == []


def test_a_missing_calibration_names_the_command(tmp_path: Path) -> None:
    write_calibration(tmp_path, CALIBRATION)
    for key in (("mobile_sam", "b" * 64, "0123"), ("mobile_sam", "a" * 64, "4567")):
        with pytest.raises(CalibrationMissing, match="run `samfleet variants calibrate mobile_sam --images DIR`"):
            require_calibration(tmp_path, *key)
    with pytest.raises(CalibrationMissing, match="set SAMFLEET_GATES_DIR and run"):
        require_calibration(None, *KEY)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", CALIBRATION.to_json().replace("0123", "4567").encode()]
)
def test_a_damaged_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    calibration_path(tmp_path, *KEY).write_bytes(content)
    with pytest.raises(CalibrationUnreadable, match="calibrate mobile_sam"):
        require_calibration(tmp_path, *KEY)


def test_nothing_to_quantise_is_a_share_of_zero() -> None:
    assert Calibration("v", "s", "e", (), 0.01, 0.0, "", ()).integer_share == 0.0
