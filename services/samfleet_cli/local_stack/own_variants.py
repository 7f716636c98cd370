"""User-defined variants in the embedded stack: their files, and the model folders that Triton reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from samfleet.variants.catalogue import add_variants_of, own_variants
from samfleet.wire.model_config import write_configs

VARIANTS_DIR = "SAMFLEET_VARIANTS_DIR"


def know_own_variants(folder: Path) -> None:
    """Register the variants in this process and, by the environment, in its children."""
    add_variants_of(folder)
    os.environ[VARIANTS_DIR] = str(folder.resolve())


def write_own_repository(folder: Path) -> Path | None:
    """Write the model folders of user-defined variants, replacing an earlier folder. Returns None if there are none."""
    if folder.exists():
        shutil.rmtree(folder)
    records = own_variants()
    if not records:
        return None
    write_configs(folder, records)
    return folder
