from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.samplers import GRID, best_ious, recall, resumed, rows, tasks_of
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.quality.protocol import Truth
from samfleet.wire.messages import ImageReport, SegmentReply


def code(columns: slice) -> dict[str, Any]:
    mask = np.zeros((10, 20), dtype=bool)
    mask[:, columns] = True
    return {"size": [10, 20], "counts": encode_mask(mask)}


def reply_of(*parts: slice) -> SegmentReply:
    masks = tuple(MaskRecord(code(part)["counts"], (10, 20), 50, (0, 0, 0, 0), 0.9, 0.9) for part in parts)
    return SegmentReply(masks, ImageReport(width=20, height=10))


def measured(prompts: int, ar: float, fits: list[float], instances: int) -> dict[str, Any]:
    part = {"prompts": prompts, "masks": 2, "seconds": 1.5, "ar_1000": ar, "of_annotated": fits, "of_grid": [1.0, 0.5]}
    return {"image_id": instances, "instances": instances, "load": 0.1, GRID: part, "salient": {**part, "prompts": 1}}


def test_recall_is_averaged_over_thresholds() -> None:
    truths = [
        Truth(0, 100, iscrowd=False, shape=code(slice(10))),
        Truth(0, 50, iscrowd=False, shape=code(slice(15, 20))),
    ]
    assert recall(reply_of(slice(10)), truths) == pytest.approx(0.5)
    assert recall(reply_of(slice(8), slice(15, 20)), truths) == pytest.approx((0.7 + 1) / 2)  # of IoU 0.8: 0.5 to 0.8
    assert recall(reply_of(), truths) == 0


def test_the_best_mask_counts_for_each_wanted_one() -> None:
    assert best_ious([code(slice(10)), code(slice(5))], [code(slice(5)), code(slice(12, 20))]) == [1.0, 0.0]
    assert best_ious([], [code(slice(5))]) == [0.0]


def test_a_row_is_weighted_by_instances() -> None:
    grid, salient = rows([measured(10, 1.0, [1.0], 1), measured(30, 0.2, [0.4] * 3, 3)], [GRID, "salient"])
    assert grid == "| grid | 40 (100%) | 4 | 0.400 | 0.550 | 0.550 | 0.500 | 3.0 (100%) |"
    assert salient.startswith("| salient | 2 (5%) | 4 | 0.400")


def test_only_a_run_with_the_same_settings_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    conditions, images = resumed(path, {"device": "cpu"})
    assert images == []
    path.write_text(json.dumps({"settings": {"device": "cpu"}, "conditions": conditions, "images": [{"image_id": 3}]}))
    assert resumed(path, {"device": "cpu"})[1] == [{"image_id": 3}]
    with pytest.raises(SystemExit, match="name another file"):
        resumed(path, {"device": "cuda"})


def test_grids_are_compared_with_as_many_points_as_the_samplers() -> None:
    tasks = tasks_of(32)
    assert [task.points_per_side for name, task in tasks.items() if name.startswith(GRID)] == [32, 24, 19, 16]
    assert {task.sampler for task in tasks.values()} == {"grid", "hierarchical", "adaptive", "salient"}
