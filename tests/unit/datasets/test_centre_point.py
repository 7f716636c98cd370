from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from samfleet.datasets.centre_point import MaskEmpty, centre_point


def test_the_deepest_pixel_wins() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[2:4, 2:28] = True
    mask[8:17, 10:19] = True
    assert centre_point(mask) == (14, 12)


def test_the_first_in_row_major_order_wins_ties() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:5, 1:7] = True
    assert centre_point(mask) == (2, 2)


def test_the_image_edge_counts_as_border() -> None:
    assert centre_point(np.ones((5, 9), dtype=bool)) == (2, 2)
    assert centre_point(np.ones((1, 1), dtype=bool)) == (0, 0)


def test_holes_push_the_point_away() -> None:
    mask = np.ones((9, 9), dtype=bool)
    mask[4, 4] = False
    assert centre_point(mask) == (2, 2)


def test_an_empty_mask_has_no_centre_point() -> None:
    with pytest.raises(MaskEmpty):
        centre_point(np.zeros((3, 3), dtype=bool))


def test_scipy_is_imported_only_when_it_is_used() -> None:
    modules = "samfleet_api.app, samfleet_worker.factory"
    program = f"import sys, {modules}; sys.exit('scipy' in sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run((sys.executable, "-c", program), env={**os.environ, "PYTHONPATH": path}, check=True)
