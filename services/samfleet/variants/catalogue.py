"""The variants of this version: an explicit list, one line per family."""

from __future__ import annotations

from samfleet.errors import NotFound
from samfleet.variants.record import VariantRecord
from samfleet.variants.records import (
    edge_sam,
    edge_tam,
    efficient_sam,
    efficient_tam,
    efficientvit_sam,
    nano_sam,
    onnx,
    repvit_sam,
    sam2,
    sam_hq,
    sam_vit,
    slim_sam,
    tiny_vit,
)

RECORDS: tuple[VariantRecord, ...] = (
    *tiny_vit.RECORDS,
    *sam_vit.RECORDS,
    *slim_sam.RECORDS,
    *sam2.RECORDS,
    *edge_tam.RECORDS,
    *efficient_tam.RECORDS,
    *repvit_sam.RECORDS,
    *edge_sam.RECORDS,
    *efficientvit_sam.RECORDS,
    *nano_sam.RECORDS,
    *sam_hq.RECORDS,
    *efficient_sam.RECORDS,
    *onnx.RECORDS,
)
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
