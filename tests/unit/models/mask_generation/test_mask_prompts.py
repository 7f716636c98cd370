from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.task import Prompt, PromptMask, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.mask_prompts import LOGIT, mask_logits
from samfleet_models.serving.engine import Engine

__all__ = ["tiny", "tiny_engine"]

HEIGHT, WIDTH = 60, 90


def mask_of(rows: slice, columns: slice, size: tuple[int, int] = (HEIGHT, WIDTH)) -> PromptMask:
    mask = np.zeros(size, dtype=bool)
    mask[rows, columns] = True
    return PromptMask(size, encode_mask(mask))


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (500, 300), (1, 2000)])
def test_the_whole_image_is_inside_and_the_padding_outside(size: tuple[int, int]) -> None:
    frame = ImageFrame.of(*size, 128)
    logits = mask_logits(mask_of(slice(None), slice(None), size), frame, 128)
    height, width = frame.resized
    assert torch.equal(logits[:height, :width], torch.full((height, width), LOGIT))
    logits[:height, :width] = -LOGIT
    assert torch.equal(logits, torch.full((128, 128), -LOGIT))


def test_the_mask_lies_where_the_image_does() -> None:
    frame = ImageFrame.of(HEIGHT, WIDTH, 1024)  # 683 x 1024
    logits = mask_logits(mask_of(slice(30, 60), slice(0, 45)), frame, 256)
    assert logits.shape == (256, 256)
    inside = logits > 0
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    assert (rows.min().item(), rows.max().item()) == (85, 170)  # 30 and 60 of 60 rows, in 683 / 4 of 256
    assert (columns.min().item(), columns.max().item()) == (0, 127)
    assert logits[100:160, 10:110].eq(LOGIT).all()
    assert logits[:80].eq(-LOGIT).all()


def test_a_mask_in_a_stretched_frame_is_stretched() -> None:
    frame = ImageFrame((HEIGHT, WIDTH), (128, 128), 128)
    logits = mask_logits(mask_of(slice(0, 30), slice(None)), frame, 32)
    assert torch.equal(logits > 0, (torch.arange(32) < 16)[:, None].expand(32, 32))


def test_an_object_may_have_points_a_box_and_a_mask(tiny_engine: Engine) -> None:
    image = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)))
    both = Prompt(points=((20.0, 20.0), (5.0, 50.0)), labels=(1, 0), box=(4.0, 4.0, 60.0, 40.0))
    left, right = mask_of(slice(None), slice(0, 45)), mask_of(slice(None), slice(45, 90))
    prompts = [both, Prompt(mask=left), replace(both, mask=left), both, Prompt(mask=right)]
    together = masks(tiny_engine, image, prompts)
    assert [mask.prompt_index for mask in together] == [0, 1, 2, 3, 4]
    alone = [masks(tiny_engine, image, [prompt])[0] for prompt in prompts]
    for one, other in zip(together, alone, strict=True):
        assert abs(one.predicted_iou - other.predicted_iou) < 1e-4
        assert (decode_mask(one.counts, one.size) ^ decode_mask(other.counts, other.size)).mean() < 1e-3
    assert together[0].counts == together[3].counts
    assert len({round(mask.predicted_iou, 5) for mask in together}) == 4


@pytest.mark.parametrize(
    "mask",
    [PromptMask((HEIGHT, WIDTH + 1), "0"), PromptMask((HEIGHT, WIDTH), "0"), mask_of(slice(0, 1), slice(0, 1), (9, 9))],
)
def test_a_mask_that_does_not_fit_the_image_fails_only_its_request(tiny_engine: Engine, mask: PromptMask) -> None:
    image = encoded(Image.new("RGB", (WIDTH, HEIGHT)))
    good = SegmentRequest(image, PromptsParameters(), (Prompt(box=(0.0, 0.0, 9.0, 9.0)),))
    bad = SegmentRequest(image, PromptsParameters(), (Prompt(mask=mask),))
    replies = dict(tiny_engine.segment([bad, good]))
    assert [replies[position].report.error_code for position in (0, 1)] == ["task_invalid", None]


def masks(engine: Engine, image: bytes, prompts: list[Prompt]) -> list[MaskRecord]:
    ((_, reply),) = engine.segment([SegmentRequest(image, PromptsParameters(), tuple(prompts))])
    assert reply.report.error_code is None, reply.report.error_message
    return list(reply.masks)
