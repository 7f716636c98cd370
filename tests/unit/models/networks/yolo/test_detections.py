from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from samfleet_models.networks.yolo.detections import Thresholds, detect, in_image, snapped, with_whole_frames
from samfleet_models.networks.yolo.letterbox import Letterbox

ALL = Thresholds(0.4, 0.9, 300)


def predictions(*objects: tuple[float, float, float, float, float]) -> torch.Tensor:
    """Return predictions [5 + 2, N]: a box (x, y, width, height) around a centre, a score, and coefficients that count
    up.
    """
    rows = torch.tensor(objects).T
    counted = torch.arange(2.0 * len(objects)).reshape(len(objects), 2).T
    return torch.cat([rows, counted])


def corners(*values: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_the_better_of_two_similar_boxes_stays() -> None:
    found = detect(predictions((50, 50, 40, 40, 0.6), (51, 50, 40, 40, 0.8), (90, 50, 20, 20, 0.7)), ALL)
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])
    assert found.boxes.tolist() == [[31, 30, 71, 70], [80, 40, 100, 60]]
    assert found.coefficients.tolist() == [[2, 3], [4, 5]]


def test_a_score_must_exceed_the_threshold() -> None:
    half = Thresholds(0.5, 0.9, 300)
    assert len(detect(predictions((50, 50, 40, 40, 0.5)), half)) == 0
    assert len(detect(predictions((50, 50, 40, 40, 0.5001)), half)) == 1
    assert detect(predictions((50, 50, 40, 40, 0.5)), half).coefficients.shape == (0, 2)


def test_the_number_of_detections_is_limited() -> None:
    given = [(20.0 * row + 10, 10.0, 18.0, 18.0, 0.5 + row / 100) for row in range(9)]
    found = detect(predictions(*given), Thresholds(0.4, 0.9, 4))
    assert found.scores.tolist() == pytest.approx([0.58, 0.57, 0.56, 0.55])


def test_sides_close_to_the_frame_are_moved_onto_it() -> None:
    given = corners((19.9, 20.0, 180.0, 80.1), (20.0, 5.0, 180.1, 80.0))
    assert snapped(given, (100, 200)).tolist() == [[0, 20, 180, 100], [20, 0, 200, 80]]


def test_boxes_that_nearly_fill_the_frame_are_extended_to_it() -> None:
    given = corners((0, 0, 200, 91), (0, 0, 200, 89), (0, 5, 200, 100))
    assert with_whole_frames(given, (100, 200)).tolist() == [[0, 0, 200, 100], [0, 0, 200, 89], [0, 0, 200, 100]]
    assert with_whole_frames(np.zeros((0, 4), np.float32), (100, 200)).shape == (0, 4)


def test_boxes_are_mapped_to_the_image_and_clipped_at_its_edges() -> None:
    letterbox = Letterbox.of(427, 640, 1024)
    found = in_image(corners((-5, 10, 512, 694), (16, 26, 1040, 714)), letterbox)
    assert found[0].tolist() == pytest.approx([0, 0, 320, 427], abs=0.5)
    assert found[1].tolist() == pytest.approx([10, 10, 640, 427], abs=0.01)
