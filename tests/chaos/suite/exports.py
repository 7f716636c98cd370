"""Exports of a job's runs, downloaded from the API and compared byte for byte with those of another job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from chaos.suite.evidence import Evidence
from fixtures.servers.chaos_stack import ChaosStack
from samfleet.client.client import SamfleetClient
from samfleet.jobs.export import ExportFormat


def download(stack: ChaosStack, evidence: Evidence, folder: Path) -> Mapping[str, str]:
    """Return the SHA-256 of every export by `variant.format`. Exports have no times, so equal jobs have equal ones."""
    folder.mkdir()
    with SamfleetClient(stack.samfleet.info.api_url, stack.samfleet.info.api_key) as client:
        for run in evidence.runs:
            for form in ExportFormat:
                client.download_results(str(run.id), folder / f"{run.variant}.{form}", format_=form)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def differences(reference: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each export that is missing, new or has other bytes."""
    for name in sorted(reference.keys() | found.keys()):
        if reference.get(name) != found.get(name):
            yield f"exports: {name} differs from the undisturbed one: {found.get(name)}, not {reference.get(name)}"


def wrong_sizes(folder: Path, pictures: Path) -> Iterator[str]:
    """Yield a sentence for each image that has the size of another picture, or masks of another size."""
    for path in sorted(folder.glob(f"*.{ExportFormat.JSONL}")):
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            with Image.open(pictures / line["file_name"]) as picture:
                right = picture.size
            sizes = [(line["width"], line["height"]), *(_size_of(mask) for mask in line["masks"])]
            if other := sorted(set(sizes) - {right}):
                yield f"exports: {line['file_name']} is {right} in the file and {other} in {path.name}"


def _size_of(mask: Mapping[str, Any]) -> tuple[int, int]:
    height, width = mask["segmentation"]["size"]
    return width, height
