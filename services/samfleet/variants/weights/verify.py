"""Location and verification of weights. A checkpoint is read only after it was verified here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from samfleet.errors import NotFound, SamfleetError
from samfleet.variants.record import Checkpoint, VariantRecord
from samfleet.variants.weights.pins import expected_sha256


class WeightsMissing(NotFound):
    """The weights are not on this machine; fetch them with `samfleet variants pull`."""

    code = "weights_missing"


class WeightsHashMismatch(SamfleetError):
    """The weights are not the file that the variant's record names."""

    code = "weights_hash_mismatch"


def weights_path(weights_dir: Path, record: VariantRecord) -> Path:
    return weights_dir / record.checkpoint.filename


def has_weights(weights_dir: Path, record: VariantRecord) -> bool:
    """Check the files by name and size, which is quick; loading checks their hashes."""
    files = [(weights_dir / checkpoint.filename, checkpoint.size_bytes) for checkpoint in record.files.values()]
    return all(path.is_file() and size in {None, path.stat().st_size} for path, size in files)


def verified_weights(weights_dir: Path, record: VariantRecord) -> Path:
    """Return the path of the variant's weights; they and their companions exist and have the right sha256."""
    for checkpoint in record.files.values():
        verify_file(weights_dir, record, checkpoint)
    return weights_path(weights_dir, record)


def verify_file(weights_dir: Path, record: VariantRecord, checkpoint: Checkpoint) -> None:
    path = weights_dir / checkpoint.filename
    if not path.is_file():
        raise WeightsMissing(f"{path} is missing; fetch it with `samfleet variants pull {record.name}`")
    expected = expected_sha256(checkpoint, weights_dir)
    check_sha256(path, expected, f"remove it and run `samfleet variants pull {record.name}`")


def check_sha256(path: Path, expected: str | None, advice: str) -> None:
    """Raise `WeightsHashMismatch` for another hash. With None (no hash is known) any file passes and is pinned."""
    if expected is not None and (found := file_sha256(path)) != expected:
        raise WeightsHashMismatch(f"{path.name} has sha256 {found}, expected is {expected}; {advice}")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
