from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.models.engine_requests import BOTH, BOX, EVERYTHING, POINT, POINTS, prompts_request, segment
from fixtures.models.mobile_sam_engine import sam_network
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.masks.rle import decode_mask
from samfleet.variants.task import EverythingParameters, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.decoder.folded import FoldedDecoder, ScoredPrompts
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.serving.engine import Engine

__all__ = ["tiny", "tiny_engine"]


def test_masks_are_in_the_order_of_the_prompts(tiny_engine: Engine) -> None:
    prompts = [POINT, BOX, POINTS, BOTH, POINT, BOX] * 3
    (together,) = segment(tiny_engine, [prompts_request(*prompts)])
    assert [mask.prompt_index for mask in together.masks] == list(range(len(prompts)))
    for prompt, mask in zip(prompts, together.masks, strict=True):
        (alone,) = segment(tiny_engine, [prompts_request(prompt)])
        assert alone.masks[0].predicted_iou == pytest.approx(mask.predicted_iou, abs=1e-5)
        assert abs(alone.masks[0].area - mask.area) <= 2


def test_a_multimask_prompt_returns_all_masks_or_the_best_one(tiny_engine: Engine) -> None:
    every, best = segment(
        tiny_engine, [prompts_request(POINTS, POINT, masks="all"), prompts_request(POINTS, POINT, masks="best")]
    )
    assert [mask.prompt_index for mask in every.masks] == [0, 0, 0, 1]
    assert [mask.prompt_index for mask in best.masks] == [0, 1]
    assert best.masks[0].predicted_iou == pytest.approx(max(m.predicted_iou for m in every.masks[:3]), abs=1e-5)


def test_masks_are_in_pixels_of_the_upright_image(tiny_engine: Engine) -> None:
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(50, 20), EVERYTHING)])
    assert (reply.report.width, reply.report.height) == (50, 20)
    assert reply.masks
    for mask in reply.masks:
        assert mask.size == (20, 50)
        assert decode_mask(mask.counts, mask.size).sum() == mask.area
        assert mask.crop_box == (0, 0, 50, 20)
        assert mask.prompt_index is None


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2)])
def test_the_smallest_and_thinnest_images_are_segmented(tiny_engine: Engine, size: tuple[int, int]) -> None:
    crops = EverythingParameters(
        points_per_side=2,
        pred_iou_thresh=-1.0,
        stability_score_thresh=0.0,
        crop_n_layers=2,
        crop_n_points_downscale_factor=4,
        min_mask_region_area=3,
    )
    picture = bright_square(*size)
    for reply in segment(tiny_engine, [SegmentRequest(picture, crops), prompts_request(POINT, BOX, size=size)]):
        assert reply.report.error_code is None
        assert all(mask.size == size[::-1] for mask in reply.masks)


def test_masks_of_crops_lie_where_their_points_are(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_by_discs(tiny_engine, monkeypatch)
    parameters = EverythingParameters(points_per_side=4, crop_n_layers=1, crop_nms_thresh=1.0, min_mask_region_area=5)
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(320, 200), parameters)])
    crop_boxes = {mask.crop_box for mask in reply.masks}
    assert len(crop_boxes) == 5
    assert reply.masks[0].crop_box != (0, 0, 320, 200)  # masks of smaller crops come first
    for mask in reply.masks:
        pixels = decode_mask(mask.counts, mask.size)
        y, x = pixels.nonzero()
        assert mask.area == pixels.sum()
        assert mask.bbox == (x.min(), y.min(), x.max() - x.min(), y.max() - y.min())
        assert mask.point_coords is not None
        assert (x.mean(), y.mean()) == pytest.approx(mask.point_coords, abs=1.5)


def replace_by_discs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the decoder by one that returns a sharp disc of 2 low-resolution pixels around every point."""
    decoder = cast("FoldedDecoder", engine.network.decoder)
    score = decoder.score
    seen: list[Tensor] = []

    def score_all_well(context: ImageContext, coords: Tensor, labels: Tensor) -> ScoredPrompts:
        seen[:] = [coords]
        return replace(score(context, coords, labels), ious=torch.full((len(coords), 4), 0.95))

    def draw_discs(_: ScoredPrompts, rows: Tensor, __: Tensor) -> DrawnMasks:
        y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
        centres = seen[0][rows, 0, :, None, None].float() / 4
        discs = 100 * (2 - torch.hypot(x - centres[:, 0], y - centres[:, 1]))
        return DrawnMasks(discs, torch.full((len(rows),), 0.95))

    monkeypatch.setattr(decoder, "score", score_all_well)
    monkeypatch.setattr(decoder, "draw", draw_discs)


def test_points_per_batch_does_not_change_the_masks(tiny_engine: Engine) -> None:
    chunked = [
        EverythingParameters(points_per_side=4, points_per_batch=size, pred_iou_thresh=-1.0, stability_score_thresh=0.0)
        for size in (1, 5, 64)
    ]
    replies = segment(tiny_engine, [SegmentRequest(bright_square(40, 30), parameters) for parameters in chunked])
    assert len({len(reply.masks) for reply in replies}) == 1


def test_failures_do_not_affect_other_images(tiny_engine: Engine) -> None:
    replies = segment(
        tiny_engine,
        [
            prompts_request(POINT),
            SegmentRequest(b"", PromptsParameters(), (POINT,)),
            SegmentRequest(b"text", EVERYTHING),
            SegmentRequest(bright_square(9, 9), EVERYTHING, (POINT,)),
            prompts_request(BOX),
        ],
    )
    codes = [reply.report.error_code for reply in replies]
    assert codes == [None, "image_empty", "image_unreadable", "task_invalid", None]
    assert [len(reply.masks) for reply in replies] == [1, 0, 0, 0, 1]
    assert all(reply.report.error_stage == "preprocess" for reply in replies[1:4])


def test_an_image_without_prompts_is_not_encoded(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam_network(tiny_engine), "encode", refuse)
    good, bad = segment(tiny_engine, [prompts_request(), SegmentRequest(b"text", PromptsParameters())])
    assert good.report.error_code is None
    assert (good.report.width, good.report.height) == (40, 30)
    assert bad.report.error_code == "image_unreadable"


def test_a_programming_error_is_raised_and_not_replied(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_engine.network.decoder, "score", refuse)
    with pytest.raises(AssertionError, match="called"):
        segment(tiny_engine, [prompts_request(POINT)])


def test_the_caller_is_not_left_in_inference_mode(tiny_engine: Engine) -> None:
    for _ in tiny_engine.segment([prompts_request(POINT), prompts_request(BOX)]):
        assert not torch.is_inference_mode_enabled()


def refuse(*_: object) -> Tensor:
    raise AssertionError("called")
