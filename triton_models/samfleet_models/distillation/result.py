"""The distilled variant as files: weights in safetensors and the record that hosts them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.containers import safetensors_bytes
from samfleet_models.distillation.cache import write_whole

HEADER = "# Written by `samfleet distill` (docs/distillation.md). Host it with: samfleet --variants-dir FOLDER ...\n"


def write_result(
    folder: Path, name: str, student: str, record: VariantRecord, state: Mapping[str, Tensor], origin: Mapping[str, str]
) -> Path:
    """Write `<name>.safetensors` and `<name>.yaml`; return the path of the latter, which is written last.

    `record` has the conventions with which the weights were trained, `student` is the hosted variant that has its
    architecture, `origin` tells how the weights came about.
    """
    weights = safetensors_bytes(state, {"distillation": json.dumps(dict(origin))})
    write_whole(folder / f"{name}.safetensors", weights)
    path = folder / f"{name}.yaml"
    write_whole(path, _yaml(name, student, record, weights, origin).encode())
    return path


def _yaml(name: str, student: str, record: VariantRecord, weights: bytes, origin: Mapping[str, str]) -> str:
    fields = {
        "title": f"{record.title}, distilled from {origin['teacher']}",
        "like": student,
        "input_size": record.input_size,
        "network": {
            "file": f"{name}.safetensors",
            "sha256": hashlib.sha256(weights).hexdigest(),
            "size_bytes": len(weights),
        },
        "code_licence": record.code_licence,
        "weights_licence": record.weights_licence,
        "repository": record.repository,
        "paper": asdict(record.paper),
        "preprocessing": asdict(record.conventions.preprocessing),
        "prompts": asdict(record.conventions.prompts),
        "masks": asdict(record.conventions.masks),
        "everything": asdict(record.everything),
        "origin": dict(origin),
    }
    return HEADER + "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())  # JSON is YAML
