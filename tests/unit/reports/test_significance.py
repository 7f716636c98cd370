from __future__ import annotations

import numpy as np
import pytest

from samfleet.reports.significance import holm, two_sided_p


def test_a_difference_of_two_standard_deviations() -> None:
    replicates = np.array([-1.0, 1.0] * 50)
    assert two_sided_p(1.96, replicates) == pytest.approx(0.05, abs=0.0005)
    assert two_sided_p(-1.96, replicates) == two_sided_p(1.96, replicates)
    assert two_sided_p(0.0, replicates) == 1.0


def test_without_spread_there_is_no_doubt() -> None:
    assert two_sided_p(0.0, np.zeros(10)) == 1.0
    assert two_sided_p(0.1, np.full(10, 0.1)) == 0.0


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.04, 0.01, 0.03, 0.005], [0.06, 0.03, 0.06, 0.02]),  # the example of R's p.adjust, rounded up to monotony
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_holm(values: list[float], corrected: list[float]) -> None:
    assert holm(values) == pytest.approx(corrected)
