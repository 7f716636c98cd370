from __future__ import annotations

import numpy as np
import pytest

from samfleet.variants.conventions import Conventions, Preprocessing, PromptRules, PromptUnsupported
from samfleet.variants.task import Prompt
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.prompt_tokens import point_prompts, prompt_tokens

FRAME = ImageFrame.of(50, 100, 200)  # twice the size
STRETCHED = ImageFrame.of(50, 100, 200, Preprocessing(resize="stretch"))
TRUNCATED = ImageFrame.of(33, 100, 200, Preprocessing(rounding="floor"))
BOTH = Prompt(points=((10.0, 20.0),), labels=(0,), box=(1.0, 2.0, 30.0, 40.0))
POINT = Prompt(points=((10.0, 20.0),), labels=(1,))


def test_sam_puts_the_box_after_the_points_and_pads_without_a_box() -> None:
    coords, labels = prompt_tokens(BOTH, FRAME)
    assert coords.tolist() == [[20, 40], [2, 4], [60, 80]]
    assert labels.tolist() == [0, 2, 3]
    coords, labels = prompt_tokens(POINT, FRAME)
    assert coords.tolist() == [[20, 40], [0, 0]]
    assert labels.tolist() == [1, -1]


def test_sam2_puts_the_box_first_and_always_pads() -> None:
    coords, labels = prompt_tokens(BOTH, STRETCHED, "sam2")
    assert coords.tolist() == [[2, 8], [60, 160], [20, 80], [0, 0]]
    assert labels.tolist() == [2, 3, 0, -1]
    assert prompt_tokens(Prompt(box=(1, 2, 3, 4)), STRETCHED, "sam2")[1].tolist() == [2, 3, -1]


def test_efficient_sam_always_has_six_points() -> None:
    coords, labels = prompt_tokens(Prompt(points=((-3.0, 20.0),), labels=(1,)), STRETCHED, "efficient_sam")
    assert coords.tolist() == [[-1, 80], *[[-1, -1]] * 5]
    assert labels.tolist() == [1, *[-1] * 5]


def test_truncated_sides_do_not_change_the_scale_of_coordinates() -> None:
    assert TRUNCATED.resized == (66, 200)
    assert prompt_tokens(POINT, TRUNCATED)[0][0].tolist() == [20, 40]


@pytest.mark.parametrize("layout", ["sam", "sam2", "efficient_sam"])
def test_grid_points_are_laid_out_like_prompts(layout: str) -> None:
    grid = np.array([[10.0, 20.0], [30.5, 40.25]])
    coords, labels = point_prompts(grid, layout)  # type: ignore[arg-type]  # parametrised
    assert coords.dtype.is_floating_point
    for row, point in enumerate(grid):
        prompt = Prompt(points=((float(point[0]), float(point[1])),), labels=(1,))
        own = prompt_tokens(prompt, ImageFrame((200, 200), (200, 200), 200), layout)  # type: ignore[arg-type]  # parametrised
        np.testing.assert_allclose(coords[row].numpy(), own[0])
        assert labels[row].tolist() == own[1].tolist()
    assert point_prompts(np.zeros((0, 2)))[0].shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("rules", "prompt", "said"),
    [
        (PromptRules(negative_points=False), BOTH, "foreground points only"),
        (PromptRules(points=False), POINT, "use boxes"),
        (PromptRules(boxes=False), BOTH, "use points"),
        (PromptRules(most_points=2), BOTH, "at most 2 points, a box counting as 2; this prompt has 3"),
    ],
)
def test_unsupported_prompts_are_refused_with_the_supported_ones(rules: PromptRules, prompt: Prompt, said: str) -> None:
    with pytest.raises(PromptUnsupported, match=said) as caught:
        Conventions(prompts=rules).check(prompt, "some_sam")
    assert caught.value.code == "prompt_unsupported"
    Conventions().check(prompt, "some_sam")
