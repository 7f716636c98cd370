"""The samplers that read the image embedding, `adaptive` and `salient`: in an engine and against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fixtures.images.encoded_images import bright_square
from fixtures.models.drawn_halves import halves
from fixtures.models.tiny_variant import tiny, tiny_engine
from reference.plain_features import redundant_slowly, salient_cells_slowly
from samfleet.masks.rle import encode_mask
from samfleet.variants.conventions import Conventions
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.batching.requests import View
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.adaptive_points import grid_levels, redundant_points
from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.crop_view import CropView
from samfleet_models.mask_generation.point_features import features_at
from samfleet_models.mask_generation.point_grid import Crop, pixels_of, point_grid
from samfleet_models.mask_generation.salient_points import saliency_ranks, salient_points
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks
from samfleet_models.serving.engine import Engine

__all__ = ["halves", "tiny", "tiny_engine"]

GRID = EverythingParameters(points_per_side=8, pred_iou_thresh=-1.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
ADAPTIVE = replace(GRID, sampler="adaptive")
SALIENT = replace(GRID, sampler="salient")
IMAGE = (60, 90)  # height, width


def segment(engine: Engine, *tasks: EverythingParameters) -> list[SegmentReply]:
    replies = dict(engine.segment([SegmentRequest(bright_square(96, 64), task) for task in tasks]))
    assert all(reply.report.error_code is None for reply in replies.values())
    return [replies[position] for position in range(len(tasks))]


def view_of(crop: Crop, points_per_side: int, embedding: torch.Tensor, side: int = 128) -> CropView:
    """Return a crop of `IMAGE` in a network of `side` pixels; the decoder's context is not needed."""
    view = View(None, ImageFrame.of(*crop.size, side), CropPlacement(crop.box, IMAGE))
    return CropView(crop, view, embedding, EverythingParameters(points_per_side=points_per_side), Conventions())


WHOLE = Crop((0, 0, IMAGE[1], IMAGE[0]), 0)
CORNER = Crop((35, 14, 90, 60), 1)


@pytest.mark.parametrize(("per_side", "levels"), [(32, 3), (8, 1), (7, 3), (1, 3), (2, 5), (256, 9)])
def test_levels_divide_the_grid(per_side: int, levels: int) -> None:
    found = grid_levels(per_side, levels)
    assert 1 <= len(found) <= levels
    assert np.stack(found).sum(axis=0).tolist() == [1] * per_side**2
    counts = [int(level.sum()) for level in found]
    assert counts == sorted(counts)
    if per_side == 32:
        assert counts == [64, 256, 704]


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5])
@pytest.mark.parametrize("crop", [WHOLE, CORNER])
def test_redundant_points_are_those_of_the_plain_loops(crop: Crop, threshold: float) -> None:
    rng = np.random.default_rng(4)
    view = view_of(crop, 9, torch.from_numpy(rng.normal(size=(1, 6, 8, 8)).astype(np.float32)))
    masks = [rng.random(IMAGE) < share for share in (0.1, 0.5)]
    masks += [np.zeros(IMAGE, dtype=bool), np.ones(IMAGE, dtype=bool)]
    codes = EncodedMasks(
        np.arange(4), [encode_mask(mask) for mask in masks], np.zeros((4, 4), np.float32), np.ones(4, np.int64),
        np.ones(4, np.float32),
    )  # fmt: skip
    found = Candidates(codes, np.ones(4, np.float32), np.zeros((4, 2)), np.zeros((4, 4), np.int64))
    dense = point_grid(9)
    features = features_at(view, dense)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    pixels = pixels_of(dense, crop.size) + np.array(crop.box[:2])
    expected = redundant_slowly(masks, pixels, features, threshold)
    assert 0 < sum(expected) <= 81
    assert redundant_points(view, found, features, threshold).tolist() == expected


def test_features_are_read_where_the_points_lie() -> None:
    embedding = torch.zeros(1, 2, 8, 8)
    embedding[0, 0, :, :4] = 1  # the left half of the frame: 64 of the image's 90 pixels, scaled to 128
    embedding[0, 1, :, 4:] = 1
    features = features_at(view_of(WHOLE, 4, embedding), np.array([[0.25, 0.5], [0.75, 0.5]]))
    assert (features[0] > 0).tolist() == [True, False]
    assert (features[1] > 0).tolist() == [False, True]


def test_a_high_threshold_gives_the_points_of_the_grid(tiny_engine: Engine) -> None:
    grid, one_level = segment(tiny_engine, GRID, replace(ADAPTIVE, adaptive_levels=1))
    assert grid.masks
    assert one_level.masks == grid.masks
    assert one_level.report.prompts_decoded == grid.report.prompts_decoded == 64


def test_points_that_resemble_their_mask_are_left_out(halves: Engine) -> None:
    every, some, none = segment(halves, *(replace(ADAPTIVE, similarity_thresh=value) for value in (-1.0, 0.3, 1.0)))
    # of the first level's 2 x 2 points two lie in the left half, whose mask then covers the rest of that half
    assert every.report.prompts_decoded < some.report.prompts_decoded < none.report.prompts_decoded <= 64
    assert every.report.prompts_decoded <= 2 + 32
    points = {mask.point_coords for mask in segment(halves, GRID)[0].masks}
    assert {mask.point_coords for mask in some.masks} <= points


def test_rejected_masks_leave_no_points_out(halves: Engine) -> None:
    (unlikely,) = segment(halves, replace(ADAPTIVE, pred_iou_thresh=0.96, similarity_thresh=-1.0))
    assert (unlikely.masks, unlikely.report.prompts_decoded) == ((), 64)


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("crop", [WHOLE, CORNER])
def test_salient_cells_are_those_of_the_plain_loops(crop: Crop, window: int) -> None:
    embedding = np.random.default_rng(5).normal(size=(3, 8, 8)).astype(np.float32)
    points = salient_points(view_of(crop, 8, torch.from_numpy(embedding)[None]), window)
    height, width = crop.size
    cell = max(height, width) / 8  # of the embedding, in pixels of the crop
    rows = int(height / cell + 0.5)
    expected = salient_cells_slowly(embedding[:, :rows], window)
    cells = points * np.array([width, height]) / cell - 0.5
    assert {(round(x), round(y)) for x, y in cells} == expected
    assert len(points) == len(expected)
    assert ((points > 0) & (points < 1)).all()


def test_the_most_salient_cells_come_first_and_no_two_are_equal() -> None:
    embedding = torch.zeros(2, 4, 4)
    embedding[0] = 1.0
    embedding[:, 1, 2] = torch.tensor([-9.0, 4.0])  # an object of one cell in an even background
    ranks = saliency_ranks(embedding)
    assert ranks.argmax() == 4 + 2
    assert ranks.flatten().sort().values.tolist() == list(range(16))
    first = salient_points(view_of(Crop((0, 0, 64, 64), 0), 8, embedding[None], 64), 3)[0]
    assert first.tolist() == [2.5 / 4, 1.5 / 4]


def test_the_grid_bounds_the_number_of_salient_points(tiny_engine: Engine) -> None:
    wide, narrow, few = segment(
        tiny_engine, replace(SALIENT, salient_window=1), SALIENT, replace(SALIENT, salient_window=1, points_per_side=3)
    )
    assert wide.report.prompts_decoded == 8 * 5  # cells with their centre in the image: 96 x 64 pixels are 8 x 5.3
    assert 0 < narrow.report.prompts_decoded < 8 * 5
    assert few.report.prompts_decoded == 9
    assert {mask.point_coords for mask in few.masks} <= {mask.point_coords for mask in wide.masks}


def test_crops_have_points_of_their_own(halves: Engine) -> None:
    for task in (ADAPTIVE, SALIENT):
        (found,) = segment(halves, replace(task, crop_n_layers=1))
        assert len({mask.crop_box for mask in found.masks}) > 1
        for mask in found.masks:
            assert mask.point_coords is not None
            assert mask.crop_box is not None
            x, y, width, height = mask.crop_box
            assert 0 <= mask.point_coords[0] - x <= width
            assert 0 <= mask.point_coords[1] - y <= height
