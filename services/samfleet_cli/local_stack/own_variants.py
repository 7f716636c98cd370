"""Variants in the embedded stack: the files of user-defined ones, and the model folders that Triton reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from samfleet.paths import asset
from samfleet.variants.catalogue import add_variants_of, get_variant, own_variants
from samfleet.wire.model_config import write_configs
from samfleet_cli.local_stack.plain_paths import plain_copy

VARIANTS_DIR = "SAMFLEET_VARIANTS_DIR"


def know_own_variants(folder: Path) -> None:
    """Register the variants in this process and, by the environment, in its children."""
    add_variants_of(folder)
    os.environ[VARIANTS_DIR] = str(folder.resolve())


def write_own_repository(folder: Path, max_batch_size: int | None = None) -> Path | None:
    """Write the model folders of user-defined variants, replacing an earlier folder. Returns None if there are none.

    `max_batch_size` bounds the images of a batch in addition to each variant's own limit.
    """
    if folder.exists():
        shutil.rmtree(folder)
    records = own_variants()
    if not records:
        return None
    write_configs(folder, [record.bounded(max_batch_size) for record in records])
    return folder


def hosted_repository(folder: Path, max_batch_size: int | None) -> Path:
    """Return the model folders of our variants. They are written to `folder` if its path or the limit needs that."""
    ours = asset("triton_models", "repository")
    if max_batch_size is None:
        return plain_copy(ours, folder)
    if folder.exists():
        shutil.rmtree(folder)
    hosted = [get_variant(path.name) for path in sorted(ours.iterdir()) if path.is_dir()]
    write_configs(folder, [record.bounded(max_batch_size) for record in hosted])
    return folder
