from __future__ import annotations

import pytest

from samfleet.jobs.file_prompts import PromptMaskMismatch, PromptOutsideImage, file_prompt
from samfleet.jobs.outcomes import FilePrompt
from samfleet.variants.task import Prompt, PromptMask

SIZE = (12, 10)  # width, height


def test_pixels_are_sent_as_they_are() -> None:
    prompt = Prompt(points=((0.25, 9.5),), labels=(0,), box=(-1.0, 0.0, 13.0, 11.0))
    assert file_prompt(FilePrompt("a", 0, None, prompt), SIZE) is prompt


def test_relative_coordinates_are_fractions_of_width_and_height() -> None:
    prompt = Prompt(points=((0.5, 0.5),), labels=(1,), box=(0.25, 0.0, 1.0, 0.5), multimask=True)
    expected = Prompt(points=((6.0, 5.0),), labels=(1,), box=(3.0, 0.0, 12.0, 5.0), multimask=True)
    assert file_prompt(FilePrompt("a", 0, None, prompt, relative=True), SIZE) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(points=((13.5, 2.0),), labels=(1,)),
        Prompt(points=((2.0, 2.0), (2.0, -1.5)), labels=(1, 0)),
        Prompt(box=(2.0, 2.0, 8.0, 11.5)),
        Prompt(box=(-1.5, 2.0, 8.0, 8.0)),
    ],
)
def test_a_prompt_more_than_a_pixel_outside_the_image_is_an_error(prompt: Prompt) -> None:
    with pytest.raises(PromptOutsideImage, match=r"object 'a' has a prompt at .* 12 x 10 pixels"):
        file_prompt(FilePrompt("a", 0, None, prompt), SIZE)


@pytest.mark.parametrize("relative", [False, True])
def test_a_mask_has_the_size_of_the_image(*, relative: bool) -> None:
    prompt = Prompt(mask=PromptMask((10, 12), "0h3"))
    assert file_prompt(FilePrompt("a", 0, None, prompt, relative=relative), SIZE) == prompt
    turned = Prompt(mask=PromptMask((12, 10), "0h3"))
    with pytest.raises(PromptMaskMismatch, match="object 'a' has a mask of 10 x 12 pixels, but the image has 12 x 10"):
        file_prompt(FilePrompt("a", 0, None, turned, relative=relative), SIZE)
