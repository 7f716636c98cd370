"""Weights from a user's file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from samfleet.regular_files import limited, open_regular
from samfleet.variants.record import Checkpoint, FileSource
from samfleet.variants.weights.disk import check_space, disk_errors, write_all
from samfleet.variants.weights.download import Downloader, SourceFailed
from samfleet.variants.weights.verify import WeightsHashMismatch, check_sha256

CHUNK_BYTES = 1 << 20


def fetch_file(source: FileSource, checkpoint: Checkpoint, weights_dir: Path, downloader: Downloader) -> Path:
    """Return a checked copy, not yet under its final name."""
    if not source.path.is_file():
        raise SourceFailed("there is no such file")
    copy = weights_dir / f".{checkpoint.filename}.copied"
    with open_regular(source.path) as original:
        size = os.fstat(original.fileno()).st_size
        check_space(weights_dir, size, downloader.free_bytes)
        downloader.progress.begin(source.path.name, size, 0)
        whole = limited(original, size, partial(SourceFailed, "the file grew while it was copied"))
        with disk_errors(copy), copy.open("wb", buffering=0) as file:
            while chunk := whole.read(CHUNK_BYTES):
                write_all(file, chunk)
                downloader.progress.advance(len(chunk))
    try:
        check_sha256(copy, checkpoint.sha256, "the record names another file")
    except WeightsHashMismatch:
        copy.unlink()
        raise
    return copy
