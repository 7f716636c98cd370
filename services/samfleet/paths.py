"""Files that ship with the code: in a checkout at its root, in an installed wheel under `samfleet/_assets`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """Path of `migrations`, `triton_models/repository` or `triton_models/backends`."""
    installed = _PACKAGE / "_assets"
    root = installed if installed.is_dir() else _PACKAGE.parent.parent
    return root.joinpath(*parts)
