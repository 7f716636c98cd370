from __future__ import annotations

import numpy as np
import pytest

from reference.nms import nms_slowly
from samfleet_models.ops.nms import nms


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def scores(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_the_box_with_the_higher_score_stays() -> None:
    kept = nms(boxes((0, 0, 10, 10), (0, 0, 10, 9), (20, 20, 30, 30)), scores(0.5, 0.9, 0.7), 0.7)
    assert kept.tolist() == [1, 2]


def test_a_box_with_an_iou_at_the_threshold_stays() -> None:
    pair = boxes((0, 0, 10, 10), (0, 0, 10, 5))
    assert nms(pair, scores(1, 1), 0.5).tolist() == [0, 1]
    assert nms(pair, scores(1, 1), 0.499).tolist() == [0]


def test_the_first_box_stays_on_ties() -> None:
    assert nms(boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10)), scores(1, 1, 1), 0.7).tolist() == [0]


def test_a_removed_box_removes_no_other() -> None:
    chain = boxes((0, 0, 10, 10), (3, 0, 13, 10), (6, 0, 16, 10))
    assert nms(chain, scores(3, 2, 1), 0.4).tolist() == [0, 2]


def test_boxes_without_area_stay() -> None:
    assert sorted(nms(boxes((0, 0, 0, 0), (0, 0, 0, 0), (5, 5, 5, 9)), scores(1, 1, 1), 0.7)) == [0, 1, 2]


def test_no_boxes_give_no_boxes() -> None:
    assert nms(boxes(), scores(), 0.7).tolist() == []


def test_thousands_of_boxes_give_the_result_of_sequential_suppression() -> None:
    random = np.random.default_rng(1)
    corners = random.integers(0, 600, (3000, 2))
    table = np.concatenate([corners, corners + random.integers(0, 300, (3000, 2))], axis=1).astype(np.float32)
    values = random.random(3000).round(2).astype(np.float32)
    for threshold in (0.0, 0.3, 0.7, 1.0):
        assert nms(table, values, threshold).tolist() == nms_slowly(table, values, threshold).tolist()


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_the_result_equals_that_of_the_plain_definition(threshold: float) -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 40, (200, 2))
    table = np.concatenate([corners, corners + rng.integers(1, 40, (200, 2))], axis=1).astype(np.float32)
    values = rng.integers(0, 20, 200).astype(np.float32)
    kept: list[int] = []
    for i in np.argsort(-values, kind="stable"):
        if all(iou(table[i], table[j]) <= threshold for j in kept):
            kept.append(int(i))
    assert nms(table, values, threshold).tolist() == kept


def iou(
    a: np.ndarray[tuple[int, ...], np.dtype[np.float32]], b: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> float:
    width = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    area = float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]))
    return float(np.float32(width * height) / np.float32(area - width * height))
