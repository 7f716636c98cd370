"""Checks of an ended job: each returns sentences about what is wrong, none if all is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from chaos.suite.evidence import Evidence, LineFacts, RowFacts, RunFacts, ShardFacts

SUCCEEDED, FAILED = "succeeded", "failed"


def find_faults(evidence: Evidence) -> list[str]:
    """Return all faults of a job whose images must all have succeeded."""
    return [f"{name}: {fault}" for name, check in CHECKS.items() for fault in check(evidence)]


def check_states(evidence: Evidence) -> Iterator[str]:
    if evidence.state != "completed":
        yield f"the job is {evidence.state}"
    for run in evidence.runs:
        if run.state != "completed":
            yield f"the run of {run.variant} is {run.state}"
    for shard in evidence.shards:
        if shard.state != "done" or shard.part is None:
            yield f"shard {shard.id} is {shard.state} with part {shard.part}"


def check_rows(evidence: Evidence) -> Iterator[str]:
    """One row for each image of the dataset in each run, and no other."""
    for run in evidence.runs:
        rows = Counter(row.image for row in evidence.rows if row.run_id == run.id)
        expected = Counter(evidence.images)
        for image in sorted(expected - rows):
            yield f"{run.variant} has no row of image {image}"
        for image in sorted(rows - expected):
            yield f"{run.variant} has {rows[image]} rows of image {image}, and {expected[image]} are right"


def check_counters(evidence: Evidence) -> Iterator[str]:
    """Counters of runs and rollups equal the rows, and no image has failed."""
    for run in evidence.runs:
        rows = [row for row in evidence.rows if row.run_id == run.id]
        for name, (counted, right) in _counters(evidence, run, rows).items():
            if counted != right:
                yield f"{run.variant} counts {counted} {name}, and its rows {right}"
        failed = sum(row.outcome == FAILED for row in rows)
        if failed:
            yield f"{failed} images of {run.variant} failed"


def _counters(evidence: Evidence, run: RunFacts, rows: list[RowFacts]) -> Mapping[str, tuple[int, int]]:
    shards = [shard for shard in evidence.shards if shard.run_id == run.id]
    outcomes = Counter(row.outcome for row in rows)
    return {
        "images": (run.total, len(rows)),
        "images that succeeded": (run.succeeded, outcomes[SUCCEEDED]),
        "images that failed": (run.failed, outcomes[FAILED]),
        "images that failed in shards": (sum(shard.failed for shard in shards), outcomes[FAILED]),
        "masks": (run.masks, sum(row.masks for row in rows)),
        "images in reports": (run.rolled_up, len(rows)),
    }


def check_parts(evidence: Evidence) -> Iterator[str]:
    """Every part that a shard names is whole and has the lines of the shard's images, in their order."""
    for shard in evidence.shards:
        lines = _lines(evidence, shard)
        if isinstance(lines, str):
            yield f"part {shard.part} cannot be read: {lines}"
        elif [line.image for line in lines] != list(evidence.images[shard.first : shard.last + 1]):
            yield f"part {shard.part} has other images than those of positions {shard.first} to {shard.last}"


def check_lines(evidence: Evidence) -> Iterator[str]:
    """Every row refers to the line of its image in the part of its shard, with the same outcome and masks."""
    shards = {shard.id: shard for shard in evidence.shards}
    for row in evidence.rows:
        shard = shards.get(row.shard_id)
        if shard is None or shard.run_id != row.run_id or shard.part != row.part:
            yield f"the row of image {row.image} names part {row.part}, and its shard does not"
            continue
        lines = _lines(evidence, shard)
        if isinstance(lines, str):
            continue  # a fault of the part
        line = lines[row.line] if row.line < len(lines) else None
        if line != LineFacts(row.image, row.outcome, row.masks):
            yield f"line {row.line} of part {row.part} is {line}, and the row of image {row.image} differs"


def check_store(evidence: Evidence) -> Iterator[str]:
    """No object that no shard names and no interrupted write is left after a sweep."""
    named = {shard.part for shard in evidence.shards}
    for key in evidence.stored:
        if key not in named:
            yield f"{key} is left, and no shard names it"
    if evidence.unfinished:
        yield f"{evidence.unfinished} interrupted writes are left"


def check_shards(evidence: Evidence) -> Iterator[str]:
    """The shards of a run cover each position once."""
    for run in evidence.runs:
        of_run = (shard for shard in evidence.shards if shard.run_id == run.id)
        covered = sorted(chain.from_iterable(range(shard.first, shard.last + 1) for shard in of_run))
        if covered != list(range(len(evidence.images))):
            yield f"the shards of {run.variant} do not cover each of {len(evidence.images)} positions once"


def _lines(evidence: Evidence, shard: ShardFacts) -> tuple[LineFacts, ...] | str:
    return evidence.parts.get(shard.part or "", "it was not stored")


CHECKS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "states": check_states,
    "shards": check_shards,
    "rows": check_rows,
    "counters": check_counters,
    "parts": check_parts,
    "lines": check_lines,
    "store": check_store,
}
