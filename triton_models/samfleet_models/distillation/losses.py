"""Losses of distillation.

The embedding's mean squared error is MobileSAM's (arXiv 2306.14289, section 3). Focal and dice loss in the ratio 20 to
1 and the squared error of the predicted IoU are those of Segment Anything (arXiv 2304.02643, appendix A), with focal
loss after arXiv 1708.02002 and dice loss after arXiv 1606.04797. The choice of the mask with the lowest loss is Segment
Anything's rule for ambiguous prompts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT = 20.0, 1.0, 1.0
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss, as in its paper


def embedding_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error of embeddings [B, C, h, w]."""
    return functional.mse_loss(found.float(), wanted.float())


def focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the focal loss [...] of `logits` [..., h, w], the mean over pixels; `targets` are 0 or 1."""
    crossed = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = logits.sigmoid()
    right = probability * targets + (1 - probability) * (1 - targets)
    weight = ALPHA * targets + (1 - ALPHA) * (1 - targets)
    return (weight * (1 - right) ** GAMMA * crossed).mean((-2, -1))


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - (2 |A B| + 1) / (|A| + |B| + 1) [...] of soft masks [..., h, w]."""
    found = logits.sigmoid()
    common = (found * targets).sum((-2, -1))
    return 1 - (2 * common + 1) / (found.sum((-2, -1)) + targets.sum((-2, -1)) + 1)


def true_ious(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the IoU [...] of the masks `logits` > 0 with the targets; 0 if both are empty."""
    found, wanted = logits > 0, targets > 0
    common = (found & wanted).sum((-2, -1))
    return common / (found | wanted).sum((-2, -1)).clamp(min=1)


def mask_loss(logits: Tensor, ious: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of B prompts with K masks each: the best mask's, plus the error of all predicted IoUs.

    `logits` are [B, K, h, w], `ious` [B, K], `targets` [B, h, w] of 0 and 1.
    """
    wanted = targets[:, None].expand_as(logits)
    each = FOCAL_WEIGHT * focal_loss(logits, wanted) + DICE_WEIGHT * dice_loss(logits, wanted)  # [B, K]
    with torch.no_grad():
        actual = true_ious(logits, wanted)
    return each.amin(1).mean() + IOU_WEIGHT * functional.mse_loss(ious, actual)
