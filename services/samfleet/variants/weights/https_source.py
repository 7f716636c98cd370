"""Weights from the URL where their authors publish them."""

from __future__ import annotations

from pathlib import Path

from samfleet.variants.record import Checkpoint, HttpsSource
from samfleet.variants.weights.download import Downloader
from samfleet.variants.weights.part_file import PartFile


def fetch_https(source: HttpsSource, checkpoint: Checkpoint, weights_dir: Path, downloader: Downloader) -> Path:
    part = PartFile.beside(weights_dir / checkpoint.filename, source.url)
    downloader.download(part, checkpoint.sha256, checkpoint.size_bytes)
    return part.path
