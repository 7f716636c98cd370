"""The variants of this version: an explicit list, one line per family."""

from __future__ import annotations

from samfleet.errors import NotFound
from samfleet.variants.record import VariantRecord
from samfleet.variants.records import tiny_vit

RECORDS: tuple[VariantRecord, ...] = (*tiny_vit.RECORDS,)
VARIANTS: dict[str, VariantRecord] = {record.name: record for record in RECORDS}


class VariantNotFound(NotFound):
    """There is no variant of this name; `samfleet variants list` shows them."""

    code = "variant_unknown"
    status_code = 422


def get_variant(name: str) -> VariantRecord:
    try:
        return VARIANTS[name]
    except KeyError:
        raise VariantNotFound(f"variant {name!r} is unknown; known are {', '.join(sorted(VARIANTS))}") from None
