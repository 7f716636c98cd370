"""The samplers of SegEvery in a complete engine: their prompts and the resulting masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.images.encoded_images import bright_square
from fixtures.models.drawn_halves import halves
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.masks.rle import decode_mask
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.serving.engine import Engine

__all__ = ["halves", "tiny", "tiny_engine"]

GRID = EverythingParameters(points_per_side=8, pred_iou_thresh=-1.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
HIERARCHICAL = replace(GRID, sampler="hierarchical")
BOXES = EverythingParameters(sampler="object_aware")
SIZE = (96, 64)
FIRST = Prompt(box=(10, 8, 60, 50))
SECOND = Prompt(box=(30, 20, 64, 60))


def segment(engine: Engine, *tasks: EverythingParameters, prompts: Sequence[Prompt] = ()) -> list[SegmentReply]:
    replies = dict(engine.segment([SegmentRequest(bright_square(*SIZE), task, tuple(prompts)) for task in tasks]))
    assert all(reply.report.error_code is None for reply in replies.values())
    return [replies[position] for position in range(len(tasks))]


def test_a_coarse_factor_of_one_equals_the_grid(tiny_engine: Engine) -> None:
    crops: dict[str, Any] = {
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
        "box_nms_thresh": 0.7,
        "min_mask_region_area": 9,
    }
    for grid in (GRID, replace(GRID, **crops)):
        whole = replace(grid, sampler="hierarchical", hierarchical_coarse_factor=1)
        expected, found = segment(tiny_engine, grid, whole)
        assert expected.masks
        assert found.masks == expected.masks
        assert found.report.prompts_decoded == expected.report.prompts_decoded


def test_points_covered_by_a_confident_mask_are_not_prompted(halves: Engine) -> None:
    grid, found = segment(halves, GRID, HIERARCHICAL)
    assert grid.report.prompts_decoded == 64
    # two by two points, then those of the right half of eight by eight: no pixel of the discs is confident
    assert found.report.prompts_decoded == 4 + 32
    assert {mask.point_coords for mask in found.masks} > {
        mask.point_coords for mask in grid.masks if mask.point_coords and mask.point_coords[0] > 48
    }
    (all_sure,) = segment(halves, replace(HIERARCHICAL, high_score_thresh=-1e6))
    assert all_sure.report.prompts_decoded == 4
    (none_sure,) = segment(halves, replace(HIERARCHICAL, high_score_thresh=1e6))
    assert none_sure.report.prompts_decoded == 4 + 64


def test_rejected_masks_cover_no_points(halves: Engine) -> None:
    (unlikely,) = segment(halves, replace(HIERARCHICAL, pred_iou_thresh=0.96))
    assert (unlikely.masks, unlikely.report.prompts_decoded) == ((), 4 + 64)


def test_each_crop_has_separate_rounds(halves: Engine) -> None:
    (found,) = segment(halves, replace(HIERARCHICAL, crop_n_layers=1))
    # the whole image as above; the crops' halves are cut by their crop and rejected, so they cover nothing
    assert found.report.prompts_decoded == (4 + 32) + 4 * (4 + 64)
    for mask in found.masks:
        assert mask.point_coords is not None
        assert mask.crop_box is not None
        x, y, width, height = mask.crop_box
        assert 0 <= mask.point_coords[0] - x <= width
        assert 0 <= mask.point_coords[1] - y <= height


def test_duplicates_are_removed_across_both_rounds(halves: Engine) -> None:
    (found,) = segment(halves, replace(HIERARCHICAL, box_nms_thresh=0.7))
    half = [mask for mask in found.masks if mask.point_coords and mask.point_coords[0] < 48]
    assert len(half) == 1  # of three masks for each of two coarse points


def test_the_chunk_size_does_not_change_the_masks(halves: Engine) -> None:
    sizes = [segment(halves, replace(HIERARCHICAL, points_per_batch=size))[0] for size in (1, 3, "auto")]
    assert len({reply.report.prompts_decoded for reply in sizes}) == 1
    assert sizes[0].masks == sizes[1].masks == sizes[2].masks


def test_every_box_has_one_mask(tiny_engine: Engine) -> None:
    (found,) = segment(tiny_engine, BOXES, prompts=[FIRST, SECOND, FIRST])
    assert [mask.prompt_index for mask in found.masks] == [0, 1, 2]
    assert found.masks[0].counts == found.masks[2].counts  # nothing is suppressed
    assert found.report.prompts_decoded == 3
    image = SegmentRequest(bright_square(*SIZE), PromptsParameters(), (FIRST, SECOND, FIRST))
    ((_, prompted),) = tiny_engine.segment([image])
    assert found.masks == prompted.masks
    for mask in found.masks:
        assert np.count_nonzero(decode_mask(mask.counts, mask.size)) == mask.area


def test_an_image_without_boxes_has_no_masks(tiny_engine: Engine) -> None:
    (found,) = segment(tiny_engine, BOXES)
    assert (found.masks, found.report.prompts_decoded) == ((), 0)
    assert (found.report.width, found.report.height) == SIZE


@pytest.mark.parametrize(
    ("task", "prompt"),
    [
        (GRID, FIRST),
        (HIERARCHICAL, FIRST),
        (BOXES, Prompt(points=((1, 1),), labels=(1,))),
        (BOXES, replace(FIRST, multimask=True)),
        (BOXES, replace(FIRST, points=((1, 1),), labels=(1,))),
    ],
)
def test_prompts_that_a_sampler_does_not_accept_are_refused(
    tiny_engine: Engine, task: EverythingParameters, prompt: Prompt
) -> None:
    ((_, reply),) = tiny_engine.segment([SegmentRequest(bright_square(*SIZE), task, (prompt,))])
    assert reply.report.error_code == "task_invalid"


def test_requests_with_different_samplers_share_a_batch(tiny_engine: Engine) -> None:
    picture = bright_square(*SIZE)
    requests = [
        SegmentRequest(picture, GRID),
        SegmentRequest(picture, BOXES, (FIRST, SECOND)),
        SegmentRequest(picture, HIERARCHICAL),
    ]
    together = dict(tiny_engine.segment(requests))
    for position, request in enumerate(requests):
        ((_, alone),) = tiny_engine.segment([request])
        assert together[position].report.prompts_decoded == alone.report.prompts_decoded
        assert len(together[position].masks) == len(alone.masks)
