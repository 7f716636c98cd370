"""Environment and progress of the measuring commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from samfleet.licences import SETTING, parse_accepted
from samfleet.variants.catalogue import add_variants_of, get_variant
from samfleet.variants.record import VariantRecord
from samfleet_models.images.decode import SUFFIXES


def usable_variant(name: str) -> VariantRecord:
    """Return a variant, also a user's own, whose licence is accepted. Raises the errors of both."""
    own = os.environ.get("SAMFLEET_VARIANTS_DIR")
    add_variants_of(Path(own) if own else None)
    record = get_variant(name)
    record.require_accepted(parse_accepted(os.environ.get(SETTING, "")))
    return record


def image_files(folder: Path) -> Sequence[Path]:
    """Return the images of a folder and its sub-folders, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def threads() -> int | None:
    """Return the backend's number of threads, because splitting sums over threads changes their last bits."""
    threads = os.environ.get("SAMFLEET_THREADS")
    return int(threads) if threads else None


def folder_of_variable(variable: str, name: str) -> Path:
    """Return the folder in the variable, else a folder of the state directory."""
    named = os.environ.get(variable)
    return Path(named) if named else Path(os.environ.get("SAMFLEET_STATE_DIR", ".samfleet")) / name


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - these are commands
