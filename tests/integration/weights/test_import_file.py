from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.weight_archives import WEIGHTS, names, record_with, sha256
from samfleet.errors import InvalidInput
from samfleet.licences import LicenceNotAccepted
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.import_file import WeightsFileNotFound, WeightsRoleUnknown, import_weights
from samfleet.variants.weights.pins import read_pins
from samfleet.variants.weights.verify import WeightsHashMismatch, verified_weights

OTHER = bytes(1000)


@pytest.fixture
def unpublished() -> VariantRecord:
    record = record_with()
    return replace(record, checkpoint=replace(record.checkpoint, sha256=None, size_bytes=None))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "downloaded (1).pt"
    path.write_bytes(WEIGHTS)
    return path


def test_the_published_file_is_imported(file: Path, tmp_path: Path) -> None:
    record, folder = record_with(), tmp_path / "weights"
    assert import_weights(record, file, folder) == (folder / "tiny.pt", sha256(WEIGHTS))
    assert verified_weights(folder, record).read_bytes() == WEIGHTS
    assert file.exists()
    assert read_pins(folder) == {}


def test_files_other_than_the_published_one_are_refused_even_with_replace(file: Path, tmp_path: Path) -> None:
    file.write_bytes(OTHER)
    for replacing in (False, True):
        with pytest.raises(WeightsHashMismatch, match=f"the published file of tiny has {sha256(WEIGHTS)}"):
            import_weights(record_with(), file, tmp_path / "weights", replace=replacing)
    assert names(tmp_path / "weights") == set()


def test_a_file_without_a_published_hash_is_pinned(unpublished: VariantRecord, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    import_weights(unpublished, file, folder)
    assert verified_weights(folder, unpublished).read_bytes() == WEIGHTS
    file.write_bytes(OTHER)
    with pytest.raises(WeightsHashMismatch, match="import it with --replace"):
        import_weights(unpublished, file, folder)
    assert verified_weights(folder, unpublished).read_bytes() == WEIGHTS
    import_weights(unpublished, file, folder, replace=True)
    assert verified_weights(folder, unpublished).read_bytes() == OTHER
    assert read_pins(folder) == {"tiny.pt": sha256(OTHER)}


def test_a_file_that_does_not_fit_leaves_nothing(unpublished: VariantRecord, file: Path, tmp_path: Path) -> None:
    def check(role: str, path: Path) -> None:
        raise InvalidInput(f"{role} lacks a key")

    with pytest.raises(InvalidInput, match="network lacks a key"):
        import_weights(unpublished, file, tmp_path / "weights", check=check)
    assert names(tmp_path / "weights") == set()


def test_missing_files_unknown_roles_and_restricted_licences_are_refused(
    unpublished: VariantRecord, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsFileNotFound, match="is not a file"):
        import_weights(unpublished, tmp_path / "nothing.pt", tmp_path / "weights")
    with pytest.raises(WeightsRoleUnknown, match="tiny has no file 'decoder'; it has network"):
        import_weights(unpublished, file, tmp_path / "weights", role="decoder")
    with pytest.raises(LicenceNotAccepted):
        import_weights(replace(unpublished, weights_licence="AGPL-3.0"), file, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()
