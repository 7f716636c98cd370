"""Files shipped with the code: at the root of a checkout, under `samfleet/_assets` in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """Return the path of `migrations`, `triton_models/repository` or `triton_models/backends`."""
    installed = _PACKAGE / "_assets"
    root = installed if installed.is_dir() else _PACKAGE.parent.parent
    return root.joinpath(*parts)
