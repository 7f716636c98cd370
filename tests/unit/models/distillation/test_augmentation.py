from __future__ import annotations

import numpy as np
import pytest

from samfleet.variants.task import Prompt
from samfleet_models.distillation.augmentation import Example, augmented

BOX = Prompt(box=(10.0, 5.0, 29.0, 14.0))
POINT = Prompt(points=((12.0, 7.0),), labels=(1,), multimask=True)


def example(prompt: Prompt) -> Example:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:15, 10:30] = True
    return Example(np.repeat(mask[:, :, None], 3, 2) * np.uint8(255), mask, prompt)


@pytest.mark.parametrize("prompt", [BOX, POINT])
def test_pixels_mask_and_prompt_change_together(prompt: Prompt) -> None:
    sizes = set()
    for seed in range(60):
        found = augmented(example(prompt), np.random.default_rng(seed))
        assert found.mask.sum() == 200
        assert (found.pixels[:, :, 0] == found.mask * 255).all()
        sizes.add(found.mask.shape)
        rows, columns = np.nonzero(found.mask)
        if found.prompt.box is None:
            ((x, y),) = found.prompt.points
            assert found.mask[int(y), int(x)]
        else:
            corners = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
            assert np.abs(np.array(found.prompt.box) - corners).max() <= 20
            assert found.prompt.box[0] <= found.prompt.box[2] < found.mask.shape[1]
            assert found.prompt.box[1] <= found.prompt.box[3] < found.mask.shape[0]
    assert len(sizes) > 10
    assert (40, 60) in sizes


def test_equal_seeds_give_equal_samples() -> None:
    first, second = (augmented(example(POINT), np.random.default_rng((1, 2, 3))) for _ in range(2))
    assert first.prompt == second.prompt
    assert np.array_equal(first.pixels, second.pixels)
