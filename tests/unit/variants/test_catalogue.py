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


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_text_of_a_record_is_the_same_in_every_process(name: str) -> None:
    """Results are taken over by a hash of it, so it has no address of an object and no order of a set."""
    text = repr(VARIANTS[name])
    assert " at 0x" not in text
    assert "set(" not in text
