"""A user's variant without a model, to measure everything around it: fixed masks after a fixed time.

fixed: {delay_ms: 5, masks: 16}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from samfleet.variants.record import Checkpoint, FileSource, Paper, VariantRecord
from samfleet.variants.typed_fields import FieldInvalid, changed
from samfleet.variants.weights.verify import file_sha256

FIXED = "fixed"
MOST_MASKS = 10_000
LONGEST_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class FixedAnswer:
    """`delay_ms` is the time that each image takes, `masks` the number of masks that SegEvery finds in each."""

    delay_ms: float = 0.0
    masks: int = 16


def fixed_record(path: Path, title: str, values: object) -> VariantRecord:
    """Return the record of a file with `fixed`. The file itself is what the backend loads."""
    answer = changed(FixedAnswer(), values, FIXED)
    if not 0.0 <= answer.delay_ms <= LONGEST_MS:
        raise FieldInvalid(f"{FIXED}.delay_ms is {answer.delay_ms:g}; write 0 to {LONGEST_MS:g} milliseconds")
    if not 0 <= answer.masks <= MOST_MASKS:
        raise FieldInvalid(f"{FIXED}.masks is {answer.masks}; write 0 to {MOST_MASKS}")
    source = FileSource(path.absolute())
    return VariantRecord(
        name=path.stem,
        title=title or path.stem,
        family=FIXED,
        architecture=asdict(answer),
        checkpoint=Checkpoint(f"{path.stem}.{FIXED}.yaml", None, file_sha256(path), (source,), layout="network"),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="",
        paper=Paper("", ""),
        max_batch_size=64,
    )
