"""Masks of detections, and the detections that a prompt selects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.rle import decode_mask
from samfleet.variants.task import Prompt
from samfleet_models.networks.yolo.detections import Detections
from samfleet_models.networks.yolo.letterbox import Letterbox
from samfleet_models.networks.yolo.prompt_matching import answer
from samfleet_models.networks.yolo.prototype_masks import Instances, draw_instances

SIZE = (60, 120)
BOXES = ((10, 10, 50, 50), (20, 20, 40, 40), (70, 5, 110, 55))
SCORES = (0.9, 0.8, 0.7)


def prototypes() -> Tensor:
    """Prototypes [2, 16, 32] of a 64 x 128 network input: 1 everywhere, and the distance to the middle column."""
    return torch.stack([torch.ones(16, 32), (torch.arange(32.0) - 15.5).expand(16, 32)])


def detections(*coefficients: tuple[float, float]) -> Detections:
    count = len(coefficients)
    return Detections(
        np.array(BOXES[:count], np.float32),
        np.array(SCORES[:count], np.float32),
        torch.tensor(coefficients, dtype=torch.float32),
    )


@pytest.fixture
def found() -> Instances:
    """Three filled boxes: a large one, a small one inside it, and one next to them."""
    return draw_instances(detections((5, 0), (5, 0), (5, 0)), prototypes(), SIZE, (1.0, None))


def mask(found: Instances, prompt: Prompt) -> NDArray[np.bool_]:
    return decode_mask(answer(prompt, 0, found).counts, SIZE)


def box(row: int) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = BOXES[row]
    filled = np.zeros(SIZE, bool)
    filled[y0:y1, x0:x1] = True
    return filled


def test_masks_are_cut_to_their_boxes(found: Instances) -> None:
    for row, counts in enumerate(found.masks.counts):
        assert (decode_mask(counts, SIZE) == box(row)).all()
    assert found.masks.areas.tolist() == [1600, 400, 2000]
    assert found.masks.boxes.tolist() == [[10, 10, 49, 49], [20, 20, 39, 39], [70, 5, 109, 54]]
    assert found.masks.stability.tolist() == [1, 1, 1]


def test_pixels_are_where_the_logits_are_positive() -> None:
    found = draw_instances(detections((0, 1), (0, -1), (0, 0.05)), prototypes(), SIZE, (1.0, None))
    assert found.masks.areas.tolist() == [0, 400, 2000]
    assert found.masks.boxes[0].tolist() == [0, 0, 0, 0]
    assert found.masks.stability.tolist() == pytest.approx([0, 1, 0], abs=0.2)


@pytest.mark.parametrize("size", [(60, 120), (61, 33), (300, 417), (1, 1), (1, 90)])
def test_masks_equal_whole_image_masks_cut_to_their_boxes(size: tuple[int, int]) -> None:
    """The official code draws masks of the whole image and cuts them afterwards."""
    generator = torch.Generator().manual_seed(0)
    letterbox = Letterbox.of(*size, 128)
    sheets = torch.randn(4, letterbox.shape[0] // 4, letterbox.shape[1] // 4, generator=generator)
    coefficients = torch.randn(40, 4, generator=generator)
    corners = torch.rand(40, 2, 2, generator=generator).sort(1).values * 1.2 - 0.1
    boxes = (corners.flatten(1) * torch.tensor([*size[::-1], *size[::-1]])).clamp(min=0)
    boxes = boxes.minimum(torch.tensor([*size[::-1], *size[::-1]], dtype=torch.float32))
    given = Detections(boxes.numpy(), np.linspace(0.9, 0.5, 40, dtype=np.float32), coefficients)
    found = draw_instances(given, sheets, size, (0.5, None))
    gain = min(sheets.shape[1] / size[0], sheets.shape[2] / size[1])
    top, left = (int((side - part * gain) / 2) for side, part in zip(sheets.shape[1:], size, strict=True))
    bottom, right = (int(side - (side - part * gain) / 2) for side, part in zip(sheets.shape[1:], size, strict=True))
    mixed = torch.einsum("nc,chw->nhw", coefficients, sheets[:, top:bottom, left:right])
    whole = torch.nn.functional.interpolate(mixed[None], size, mode="bilinear", align_corners=False)[0]
    y, x = torch.arange(size[0])[:, None], torch.arange(size[1])
    for row, (x0, y0, x1, y1) in enumerate(boxes):
        cut = whole[row].where((x >= x0) & (x < x1) & (y >= y0) & (y < y1), -torch.inf)
        official = (cut > 0).numpy()
        assert (decode_mask(found.masks.counts[row], size) != official).sum() <= 1  # its logit may be close to 0
        if (low := int((cut > -0.5).sum())) > 100:
            assert found.masks.stability[row] == pytest.approx(int((cut > 0.5).sum()) / low, abs=0.02)


def test_unstable_masks_are_removed_on_request(found: Instances) -> None:
    given = detections((5, 0), (0.5, 0), (5, 0))
    kept = draw_instances(given, prototypes(), SIZE, (1.0, 0.9))
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])
    assert kept.masks.source.tolist() == [0, 2]
    assert kept.masks.counts == [found.masks.counts[0], found.masks.counts[2]]


def test_no_detections_give_no_masks() -> None:
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), torch.zeros(0, 2))
    found = draw_instances(none, prototypes(), SIZE, (1.0, None))
    assert len(found) == 0
    for prompt in (Prompt(((5.0, 5.0),), (1,)), Prompt(box=(0, 0, 20, 20))):
        empty = answer(prompt, 3, found)
        assert (empty.area, empty.predicted_iou, empty.prompt_index, empty.bbox) == (0, 0, 3, (0, 0, 0, 0))
        assert not decode_mask(empty.counts, SIZE).any()


def test_a_point_selects_all_objects_it_hits(found: Instances) -> None:
    assert (mask(found, Prompt(((30.5, 30.9),), (1,))) == box(0)).all()
    assert (mask(found, Prompt(((30, 30), (80, 30)), (1, 1))) == (box(0) | box(2))).all()
    assert not mask(found, Prompt(((60, 30),), (1,))).any()
    assert not mask(found, Prompt(((30, 30),), (0,))).any()


def test_a_background_point_removes_an_object_and_a_smaller_one_restores_its_pixels(found: Instances) -> None:
    ring = Prompt(((12, 12), (30, 30)), (1, 0))
    assert not mask(found, ring).any()  # the background point lies in the large box too
    assert (mask(found, Prompt(((30, 30), (12, 12)), (1, 0))) == box(1)).all()


def test_points_outside_the_image_are_moved_to_its_edge() -> None:
    whole = Detections(np.array([(0, 0, 120, 60)], np.float32), np.array([0.9], np.float32), torch.tensor([[5.0, 0]]))
    found = draw_instances(whole, prototypes(), SIZE, (1.0, None))
    assert mask(found, Prompt(((-5, 900),), (1,))).all()


def test_points_get_the_highest_score_of_the_objects_they_hit(found: Instances) -> None:
    both = answer(Prompt(((30, 30), (80, 30)), (1, 1)), 1, found)
    assert both.predicted_iou == pytest.approx(0.9)
    assert both.bbox == (10, 5, 99, 49)
    assert both.area == 3600
    assert both.prompt_index == 1


def test_a_box_selects_the_object_that_fits_best(found: Instances) -> None:
    assert (mask(found, Prompt(box=(19, 21, 41, 40))) == box(1)).all()
    assert (mask(found, Prompt(box=(8, 8, 52.4, 51))) == box(0)).all()
    assert (mask(found, Prompt(box=(-10, -10, 500, 500))) == box(2)).all()


def test_a_box_that_hits_nothing_gets_the_most_confident_object_and_no_score(found: Instances) -> None:
    given = answer(Prompt(box=(112, 0, 119, 4)), 2, found)
    assert (decode_mask(given.counts, SIZE) == box(0)).all()
    assert given.predicted_iou == 0
