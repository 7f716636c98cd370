from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.rle import encode_mask
from samfleet.variants.task import Prompt
from samfleet_models.distillation.answers import Answer
from samfleet_models.distillation.evaluation import baselines, mask_iou

SIZE = (20, 20)
CORNER = np.zeros(SIZE, np.bool_)
CORNER[:10, :10] = True


def answer(mask: NDArray[np.bool_], prompt: Prompt) -> Answer:
    return Answer(prompt, encode_mask(mask), SIZE)


def test_baselines_of_a_square() -> None:
    box = answer(CORNER, Prompt(box=(0.0, 0.0, 9.0, 19.0)))
    point = answer(CORNER, Prompt(points=((5.0, 5.0),), labels=(1,)))
    found = baselines([box, point])
    assert found["filled_box"] == pytest.approx(100 / 200)
    assert found["whole_image"] == pytest.approx(100 / 400)
    disc = np.hypot(*np.mgrid[-5:15, -5:15]) <= np.sqrt(100 / np.pi)
    assert found["median_disc"] == pytest.approx(mask_iou(disc, CORNER))


def test_baselines_of_no_prompts() -> None:
    assert baselines([]) == {}


def test_the_iou_of_two_empty_masks_is_zero() -> None:
    empty = np.zeros(SIZE, np.bool_)
    assert mask_iou(empty, empty) == 0
    assert mask_iou(CORNER, CORNER) == 1
