from __future__ import annotations

import pytest

from samfleet.variants.catalogue import VARIANTS, VariantNotFound, get_variant, unknown_variant


@pytest.mark.parametrize(
    ("written", "meant"), [("mobilesam", "mobile_sam"), ("MobileSAM", "mobile_sam"), ("sam-vit-b", "sam_vit_b")]
)
def test_a_misspelt_variant_gets_a_suggestion(written: str, meant: str) -> None:
    with pytest.raises(VariantNotFound, match=f"did you mean {meant}") as caught:
        get_variant(written)
    assert len(caught.value.message) < 200


def test_an_unrelated_name_gets_the_whole_list() -> None:
    message = unknown_variant("nope", VARIANTS).message
    assert all(name in message for name in VARIANTS)
