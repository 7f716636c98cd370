"""Every variant with recorded outputs of its official code, checked by the code of `samfleet variants verify`."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from fixtures.models.shared_data import SHARED, shared_path
from samfleet.variants.catalogue import RECORDS, get_record
from samfleet_models.parity.cases import find_cases
from samfleet_models.parity.verify import check_keys, verify_variant

# The smallest variant of a family runs in `make test`; its larger siblings with the same code in `make test-all`.
SIBLINGS = {
    "edgesam_bilinear",
    "efficient_sam_s",
    "efficienttam_s",
    "efficienttam_ti",
    "efficientvit_sam_l1",
    "efficientvit_sam_l2",
    "efficientvit_sam_xl0",
    "efficientvit_sam_xl1",
    "fastsam_x",
    "mobilesamv2_object_aware",
    "sam2_1_hiera_b_plus",
    "sam2_1_hiera_s",
    "sam_hq_vit_b",
    "sam_vit_b",
    "slimsam_uniform_50",
}

# Variants whose official models have the keys and shapes of another's: they differ in parts without parameters.
SAME_KEYS = {
    "efficienttam_s_1": "efficienttam_s",
    "efficienttam_s_2": "efficienttam_s",
    "efficienttam_s_512": "efficienttam_s",
    "efficienttam_ti_1": "efficienttam_ti",
    "efficienttam_ti_2": "efficienttam_ti",
}


def recorded() -> list[str]:
    """Return the names of recorded variants; without the folder, one name that skips with the reason."""
    return sorted(path.parent.name for path in (SHARED / "parity").glob("*/manifest.json")) or ["mobile_sam"]


def test_every_variant_marked_golden_has_recorded_outputs() -> None:
    shared_path("parity")
    claimed = {record.name for record in RECORDS if record.parity == "golden"}
    assert claimed <= set(recorded())


@pytest.mark.parametrize("variant", recorded())
def test_every_published_key_fits(variant: str) -> None:
    (cases,) = find_cases(shared_path("parity") / variant)
    assert check_keys(get_record(variant), cases) >= len(cases.shapes()) > 0


@pytest.mark.parametrize(("variant", "base"), SAME_KEYS.items())
def test_the_keys_of_a_sibling_fit(variant: str, base: str) -> None:
    (cases,) = find_cases(shared_path("parity") / base)
    record = get_record(variant)
    assert record.parity == "keys"
    assert check_keys(record, cases) >= len(cases.shapes()) > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=pytest.mark.heavy if name in SIBLINGS else ()) for name in recorded()]
)
def test_official_results_are_reproduced(variant: str) -> None:
    folder = shared_path("parity")
    (cases,) = find_cases(folder / variant)
    verdict = verify_variant(cases)
    gc.collect()
    assert verdict.passed, verdict.line()
    assert not verdict.skipped
    assert verdict.keys > 0
    assert bool(verdict.worst) == any(Path(folder / variant).glob("case*.npz"))
