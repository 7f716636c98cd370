from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.models.weight_archives import WEIGHTS, names, record_with
from samfleet.variants.record import FileSource
from samfleet.variants.weights.disk import WeightsNoSpace
from samfleet.variants.weights.pull import WeightsUnavailable, pull
from samfleet.variants.weights.verify import WeightsHashMismatch


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.pt"
    path.write_bytes(WEIGHTS)
    return path


def test_a_file_is_copied(own_file: Path, tmp_path: Path) -> None:
    target = pull(record_with(FileSource(own_file)), tmp_path / "weights")
    own_file.write_bytes(b"another")
    assert target.read_bytes() == WEIGHTS
    assert names(tmp_path / "weights") == {"tiny.pt"}


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"nowhere\.pt: there is no such file"):
        pull(record_with(FileSource(tmp_path / "nowhere.pt")), tmp_path)


def test_a_file_with_another_hash_is_refused(own_file: Path, tmp_path: Path) -> None:
    record = record_with(FileSource(own_file))
    own_file.write_bytes(WEIGHTS[1:])
    with pytest.raises(WeightsHashMismatch, match="the record names another file"):
        pull(record, tmp_path / "weights")
    assert names(tmp_path / "weights") == set()


def test_copying_needs_free_space(own_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsNoSpace):
        pull(record_with(FileSource(own_file)), tmp_path / "weights", free=lambda _: 1000)
