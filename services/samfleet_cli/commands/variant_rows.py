"""Rows of `samfleet variants`: a variant's record and its files on this machine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samfleet.licences import restricted_parts
from samfleet.variants.complexity import complexities
from samfleet.variants.published import CLAIMS
from samfleet.variants.record import Checkpoint, VariantRecord
from samfleet.variants.survey_figures import survey_of
from samfleet.variants.weights.pins import read_pins
from samfleet_cli.listing import Column
from samfleet_cli.local_stack.gates import gates_here
from samfleet_cli.tables import licence_words, size_words


@dataclass(frozen=True, slots=True)
class Here:
    """Folders and accepted licences of this machine."""

    weights_dir: Path
    gates_dir: Path
    accepted: Collection[str] = ()


def variant_row(record: VariantRecord, here: Here) -> dict[str, Any]:
    """Describe a variant. `present` checks only names and sizes, which is quick; loading the weights checks hashes."""
    pins, complexity = read_pins(here.weights_dir), complexities().get(record.name)
    files = [
        {
            "for": role,
            "path": str(here.weights_dir / checkpoint.filename),
            "bytes": checkpoint.size_bytes,
            "sha256": checkpoint.sha256 or pins.get(checkpoint.filename),
            "published": checkpoint.sha256 is not None,
            "present": _is_present(checkpoint, here.weights_dir, pins),
        }
        for role, checkpoint in record.files.items()
    ]
    sizes = [checkpoint.size_bytes for checkpoint in record.files.values()]
    return {
        "name": record.name,
        "title": record.title,
        "family": record.family,
        "role": record.role,
        "input_size": record.input_size,
        "weights_bytes": None if None in sizes else sum(size or 0 for size in sizes),
        "files": files,
        "present": all(file["present"] for file in files),
        "gated": [gate.subject.execution for gate, state in gates_here(here.gates_dir, record) if state == "passed"],
        "code_licence": record.code_licence,
        "weights_licence": record.weights_licence,
        "licences_to_accept": [part for part in restricted_parts(record.weights_licence) if part not in here.accepted],
        "parity": record.parity,
        "complexity": asdict(complexity) if complexity else None,
        "survey": survey_of(record.name),
        "published": [asdict(claim) for claim in CLAIMS.get(record.name, ())],
        "repository": record.repository,
        "paper": {"title": record.paper.title, "arxiv": record.paper.arxiv},
    }


def _is_present(checkpoint: Checkpoint, weights_dir: Path, pins: Collection[str]) -> bool:
    path = weights_dir / checkpoint.filename
    if not path.is_file():
        return False
    if checkpoint.sha256 is None and checkpoint.filename not in pins:
        return False
    return checkpoint.size_bytes in {None, path.stat().st_size}


VARIANT_COLUMNS = (
    Column("name", lambda row: row["name"]),
    Column("family", lambda row: row["family"] if row["role"] == "segmenter" else f"{row['family']} ({row['role']})"),
    Column("weights", lambda row: size_words(row["weights_bytes"])),
    Column("licence", licence_words, folds=True),
    Column("compared with", lambda row: row["parity"], folds=True),
    Column("on this machine", lambda row: row["present"]),
    Column("gates passed", lambda row: ", ".join(row["gated"]) or None, folds=True),
)
VARIANTS_NOTE = (
    "compared with: golden = outputs of the official code; real = masks of the published weights; keys = only keys and "
    "shapes of the published weights.\n"
    "gates passed: executions that this machine may serve instead of fp32 (`samfleet variants gate`)."
)
