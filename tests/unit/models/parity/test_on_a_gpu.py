"""Recorded cases on the stand-in for a GPU: every compared value is copied to the host, for any recorded output."""

from __future__ import annotations

import pytest

from fixtures.models.shared_data import shared_path
from fixtures.models.stand_in_gpu import GPU, StandInGpu
from samfleet_models.parity.cases import find_cases
from samfleet_models.parity.verify import verify_variant

NAMES = ["fastsam_s", *(pytest.param(name, marks=pytest.mark.heavy) for name in ("mobile_sam", "sam_hq_vit_tiny"))]


@pytest.mark.parametrize("name", NAMES)
def test_official_results_are_reproduced(name: str) -> None:
    (cases,) = find_cases(shared_path("parity") / name)
    state = cases.state()
    with StandInGpu():
        verdict = verify_variant(cases, GPU, state)
    assert verdict.passed, verdict.line()
    assert verdict.worst
