from __future__ import annotations

import pytest

from samfleet.variants.catalogue import COMPONENTS, VARIANTS, VariantNotFound, get_record, get_variant


def test_a_component_has_a_record_and_cannot_be_run_alone() -> None:
    detector = get_record("mobilesamv2_object_aware")
    assert list(COMPONENTS.values()) == [detector]
    assert detector.name not in VARIANTS
    with pytest.raises(VariantNotFound, match="a part of mobilesamv2 and cannot be run alone"):
        get_variant(detector.name)


def test_every_component_is_a_companion_of_a_variant() -> None:
    for component in COMPONENTS.values():
        users = [record for record in VARIANTS.values() if record.detector == component]
        assert users
        assert all(record.companions["detector"] == component.checkpoint for record in users)
        assert all("detector" in record.conventions.box_sources for record in users)


def test_boxes_come_from_a_detector_only_if_the_variant_has_one() -> None:
    for record in VARIANTS.values():
        assert ("detector" in record.conventions.box_sources) == (record.detector is not None)
        record.conventions.check_task(record.everything, record.name)
