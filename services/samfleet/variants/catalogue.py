"""The variants of this version, an explicit list with one line per family, and the user's own variants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

from samfleet.errors import Conflict, NotFound
from samfleet.variants.record import VariantRecord
from samfleet.variants.records import (
    edge_sam,
    edge_tam,
    efficient_sam,
    efficient_sam3,
    efficient_tam,
    efficientvit_sam,
    fast_sam,
    mobile_sam_v2,
    nano_sam,
    onnx,
    pico_sam,
    repvit_sam,
    sam2,
    sam3,
    sam_hq,
    sam_vit,
    slim_sam,
    squeeze_sam,
    tiny_vit,
)
from samfleet.variants.user_records import read_variants

RECORDS: tuple[VariantRecord, ...] = (
    *tiny_vit.RECORDS,
    *sam_vit.RECORDS,
    *slim_sam.RECORDS,
    *fast_sam.RECORDS,
    *mobile_sam_v2.RECORDS,
    *sam2.RECORDS,
    *sam3.RECORDS,
    *efficient_sam3.RECORDS,
    *edge_tam.RECORDS,
    *efficient_tam.RECORDS,
    *repvit_sam.RECORDS,
    *edge_sam.RECORDS,
    *efficientvit_sam.RECORDS,
    *nano_sam.RECORDS,
    *sam_hq.RECORDS,
    *efficient_sam.RECORDS,
    *squeeze_sam.RECORDS,
    *pico_sam.RECORDS,
    *onnx.RECORDS,
)
VARIANTS: dict[str, VariantRecord] = {record.name: record for record in RECORDS if record.role == "segmenter"}
COMPONENTS: dict[str, VariantRecord] = {record.name: record for record in RECORDS if record.role != "segmenter"}


_MOST_SUGGESTIONS = 3
_LEAST_SIMILARITY = 0.7  # by difflib: a misspelt name, not a different one


class VariantNotFound(NotFound):
    """There is no variant of this name; `samfleet variants list` shows them."""

    code = "variant_unknown"
    status_code = 422


class VariantNameTaken(Conflict):
    """A variant of this name exists already; give the file of the variant another name."""

    code = "variant_name_taken"


def add_variants(records: Iterable[VariantRecord]) -> None:
    """Register a user's own variants in this process; those already registered change nothing."""
    for record in records:
        if VARIANTS.setdefault(record.name, record) != record:
            raise VariantNameTaken(
                f"there is another variant called {record.name!r}; give the file {record.name}.yaml another name"
            )


def add_variants_of(folder: Path | None) -> None:
    """Register the variants of a folder of YAML files at start-up; None if no folder is set."""
    if folder is not None:
        add_variants(read_variants(folder, VARIANTS))


def own_variants() -> list[VariantRecord]:
    """Return the variants that the user added."""
    return [record for record in VARIANTS.values() if record not in RECORDS]


def get_variant(name: str) -> VariantRecord:
    """Return a variant that can be run."""
    if name in COMPONENTS:
        users = ", ".join(record.name for record in RECORDS if record.detector == COMPONENTS[name])
        raise VariantNotFound(f"{name!r} is a part of {users} and cannot be run alone; run {users}")
    return get_record(name)


def get_record(name: str) -> VariantRecord:
    """Return a variant, or a component whose weights can be fetched and verified separately."""
    record = VARIANTS.get(name) or COMPONENTS.get(name)
    if record is None:
        raise unknown_variant(name, VARIANTS)
    return record


def unknown_variant(name: str, known: Collection[str]) -> VariantNotFound:
    """Return an error that suggests similar names: `MobileSAM` and `mobilesam` mean mobile_sam."""
    by_letters = {_letters(one): one for one in sorted(known)}
    letters = _letters(name)
    alike = (
        [letters]
        if letters in by_letters
        else get_close_matches(letters, by_letters, _MOST_SUGGESTIONS, _LEAST_SIMILARITY)
    )
    close = [by_letters[found] for found in alike]
    if close:
        return VariantNotFound(
            f"variant {name!r} is unknown; did you mean {' or '.join(close)}? `samfleet variants list` shows all"
        )
    return VariantNotFound(f"variant {name!r} is unknown; known are {', '.join(sorted(known))}")


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
