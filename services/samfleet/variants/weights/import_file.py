"""Import of a user's weights file: copied, hashed, checked against the record, pinned."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path

from samfleet.errors import Conflict, InvalidInput, NotFound
from samfleet.regular_files import limited, open_regular
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.disk import check_space, disk_errors, free_bytes, place
from samfleet.variants.weights.lock import file_lock
from samfleet.variants.weights.pins import known_sha256, write_pin
from samfleet.variants.weights.pull import Check
from samfleet.variants.weights.verify import WeightsHashMismatch, file_sha256


class WeightsFileNotFound(NotFound):
    """There is no such file to import."""

    code = "weights_file_not_found"


class WeightsFileChanged(Conflict):
    """The file changed while it was copied; import it again when it is whole."""

    code = "weights_file_changed"


class WeightsRoleUnknown(InvalidInput):
    """The variant has no file of this role."""

    code = "weights_role_unknown"


def import_weights(
    record: VariantRecord,
    file: Path,
    weights_dir: Path,
    *,
    role: str = "network",
    accepted: Collection[str] = (),
    check: Check | None = None,
    replace: bool = False,
) -> tuple[Path, str]:
    """Import a file; return the path and sha256 of the copy in `weights_dir`.

    The file must have the published hash. If none is published, its own hash is pinned; an earlier pin must match
    unless `replace` is set. `check` raises if the file does not fit the record's network.
    """
    record.require_accepted(accepted)
    if role not in record.files:
        raise WeightsRoleUnknown(f"{record.name} has no file {role!r}; it has {', '.join(record.files)}")
    if not file.is_file():
        raise WeightsFileNotFound(f"{file} is not a file")
    checkpoint = record.files[role]
    target = weights_dir / checkpoint.filename
    with disk_errors(target):
        weights_dir.mkdir(parents=True, exist_ok=True)
    with file_lock(target):
        copy = _copy_beside(file, target)
        try:
            sha256 = file_sha256(copy)
            pinned = None if replace else known_sha256(checkpoint, weights_dir)
            _check_hash(record, file, sha256, checkpoint.sha256, pinned)
            if check is not None:
                check(role, copy)
        except BaseException:
            copy.unlink()
            raise
        if checkpoint.sha256 is None:
            write_pin(weights_dir, checkpoint.filename, sha256)
        place(copy, target)
    return target, sha256


def _copy_beside(file: Path, target: Path) -> Path:
    copy = target.with_name(f".{target.name}.imported")
    with open_regular(file) as original:
        size = os.fstat(original.fileno()).st_size
        check_space(target.parent, size, free_bytes)
        with disk_errors(copy), copy.open("wb") as written:
            shutil.copyfileobj(limited(original, size, partial(WeightsFileChanged, f"{file} grew")), written)
    return copy


def _check_hash(record: VariantRecord, file: Path, found: str, published: str | None, pinned: str | None) -> None:
    if published not in {None, found}:
        raise WeightsHashMismatch(
            f"{file} has sha256 {found}, the published file of {record.name} has {published}; "
            f"import that one, or fetch it with `samfleet variants pull {record.name}`"
        )
    if pinned not in {None, found}:
        raise WeightsHashMismatch(
            f"{file} has sha256 {found}, pinned for {record.name} is {pinned}; "
            "if you trust this file more than the pinned one, import it with --replace"
        )
