from __future__ import annotations

import pytest
import torch

from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.modeling.squeeze_sam.prompt_planes import RADIUS, prompt_planes

SIDE = 32


def planes(*points: tuple[float, float, Label]) -> torch.Tensor:
    coords = torch.tensor([[point[:2] for point in points]])
    return prompt_planes(coords, torch.tensor([[point[2] for point in points]]), SIDE)[0]


def test_a_box_is_a_filled_rectangle_with_its_edges() -> None:
    box, clicks = planes((4.0, 6.0, Label.BOX_TOP_LEFT), (9.0, 7.0, Label.BOX_BOTTOM_RIGHT))
    rows, columns = box.nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 7, 4, 9)
    assert box.sum() == 2 * 6
    assert clicks.sum() == 0


def test_a_foreground_point_is_a_disc_and_leaves_the_box_open() -> None:
    box, clicks = planes((10.0, 20.0, Label.FOREGROUND))
    assert box.all()
    expected = {
        (row, column)
        for row in range(SIDE)
        for column in range(SIDE)
        if (column - 10) ** 2 + (row - 20) ** 2 <= RADIUS**2
    }
    assert {tuple(place) for place in clicks.nonzero().tolist()} == expected


@pytest.mark.parametrize("label", [Label.PADDING, Label.BACKGROUND])
def test_other_points_leave_no_trace(label: Label) -> None:
    assert torch.equal(planes((10.0, 20.0, label), (0.0, 0.0, Label.FOREGROUND)), planes((0.0, 0.0, Label.FOREGROUND)))


def test_the_prompts_of_a_batch_are_independent() -> None:
    coords = torch.tensor([[[3.0, 3.0], [9.0, 9.0]], [[20.0, 5.0], [99.0, -40.0]]])
    labels = torch.tensor([[2, 3], [1, 1]])
    together = prompt_planes(coords, labels, SIDE)
    for row in range(2):
        assert torch.equal(together[row], prompt_planes(coords[row : row + 1], labels[row : row + 1], SIDE)[0])
