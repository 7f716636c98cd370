from __future__ import annotations

from typing import Any

import pytest

from samfleet.reports.task_words import task_words
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.task import EverythingParameters


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (EverythingParameters().to_dict(), "everything, 32 points per side"),
        (EverythingParameters(points_per_side=8, min_mask_region_area=100).to_dict(),
         "everything, 8 points per side, min mask region area 100"),
        (EverythingParameters(sampler="object_aware", boxes_from="annotations").to_dict(),
         "everything, sampler object aware, boxes from annotations"),
        (EverythingParameters(sampler="adaptive", similarity_thresh=0.25).to_dict(),
         "everything, 32 points per side, sampler adaptive, similarity thresh 0.25"),
        (EverythingParameters(sampler="salient", salient_window=9).to_dict(),
         "everything, 32 points per side, sampler salient, salient window 9"),
        ({"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": False}, "prompts, box"),
        ({"kind": "prompts", "prompt": "center_point", "from": "annotations", "multimask": True},
         "prompts, center point"),
        ({"kind": "prompts", "prompt": "random_points", "multimask": True, "points": 3, "seed": 0},
         "prompts, random points, points 3, seed 0"),
        ({"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": True},
         "prompts, box, best of three masks"),
        (None, "null"),
        ({"kind": {"odd": 1}}, '{"kind": {"odd": 1}}'),
    ],
)  # fmt: skip
def test_a_task_is_described_by_its_distinguishing_fields(task: Any, words: str) -> None:
    assert task_words(task) == words


def test_different_tasks_have_different_descriptions() -> None:
    tasks = [record.everything.to_dict() for record in VARIANTS.values()]
    different = {str(sorted(task.items())) for task in tasks}
    assert len({task_words(task) for task in tasks}) == len(different)
