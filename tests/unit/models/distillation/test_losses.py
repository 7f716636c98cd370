"""Losses against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from samfleet_models.distillation.losses import dice_loss, embedding_loss, focal_loss, mask_loss, true_ious

ZERO = torch.zeros(1, 1, 2, 2)  # logits of probability one half
HALF = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])


def test_the_embedding_loss_is_the_mean_square() -> None:
    assert embedding_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])).item() == pytest.approx(2.5)


def test_focal_loss_of_even_odds() -> None:
    """Each pixel costs (1 - 1/2)^2 ln 2, weighted by 1/4 in the mask and 3/4 outside."""
    assert focal_loss(ZERO, HALF).item() == pytest.approx((0.25 + 0.75) / 2 * 0.25 * math.log(2))


def test_focal_loss_of_a_confident_pixel() -> None:
    """A probability of 0.9 in the mask costs 1/4 x 0.1^2 x -ln 0.9."""
    logits = torch.full((1, 1, 1, 1), math.log(9))
    assert focal_loss(logits, torch.ones(1, 1, 1, 1)).item() == pytest.approx(0.25 * 0.01 * -math.log(0.9), rel=1e-5)


def test_dice_loss_of_even_odds() -> None:
    """2 x (2 x 1/2) + 1 over 4 x 1/2 + 2 + 1."""
    assert dice_loss(ZERO, HALF).item() == pytest.approx(1 - 3 / 5)


def test_dice_loss_of_the_right_mask_is_zero() -> None:
    assert dice_loss((HALF - 0.5) * 100, HALF).item() == pytest.approx(0, abs=1e-6)


def test_the_iou_counts_pixels_above_zero() -> None:
    logits = torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]])
    assert true_ious(logits, HALF).item() == pytest.approx(1 / 3)
    assert true_ious(-torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 0


def test_only_the_best_mask_counts_but_all_predicted_ious_do() -> None:
    right, wrong = (HALF - 0.5) * 100, (0.5 - HALF) * 100
    logits = torch.cat([wrong, right], dim=1)
    found = mask_loss(logits, torch.tensor([[0.0, 1.0]]), HALF[:, 0])
    assert found.item() == pytest.approx(0, abs=1e-5)
    found = mask_loss(logits, torch.tensor([[0.5, 0.8]]), HALF[:, 0])
    assert found.item() == pytest.approx((0.25 + 0.04) / 2, abs=1e-5)
    both_wrong = mask_loss(wrong, torch.zeros(1, 1), HALF[:, 0])
    assert both_wrong.item() == pytest.approx(20 * focal_loss(wrong, HALF).item() + dice_loss(wrong, HALF).item())
