"""Unpacks supplied wheels: packages missing on the machine, and the old numpy for Triton's stub."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from benchmarks.gpu_check.options import Options

OLD_NUMPY = "numpy-1."


def site_of(options: Options) -> Path:
    """Return the folder of packages for every step; it is first on the path, so they replace the machine's own."""
    return Path(options.work) / "site"


def old_numpy_of(options: Options) -> Path:
    """Return the folder of numpy 1, only for Triton's stub; empty if no wheel was supplied."""
    return Path(options.work) / "old-numpy"


def unpack_wheels(options: Options) -> None:
    for folder in (site_of(options), old_numpy_of(options)):
        folder.mkdir(parents=True, exist_ok=True)
    for wheel in sorted(Path(options.wheels).glob("*.whl")) if options.wheels else ():
        unpack(wheel, old_numpy_of(options) if wheel.name.startswith(OLD_NUMPY) else site_of(options))


def unpack(wheel: Path, folder: Path) -> None:
    """Extract all files and restore the executable bits, which zipfile drops."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        for member in archive.infolist():
            if (member.external_attr >> 16) & stat.S_IXUSR:
                path = folder / member.filename
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
