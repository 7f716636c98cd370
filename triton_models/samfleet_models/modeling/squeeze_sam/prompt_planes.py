"""SqueezeSAM's early fusion: a prompt as two planes beside the image's three.

Follows squeeze_sam/early_fusion.py (see `network`): the box is a filled rectangle, or everything without a box; each
foreground point is a disc of radius 5 in pixels of the network's input. There is no plane for background points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from samfleet_models.modeling.prompt_encoder import Label

RADIUS = 5.0


def prompt_planes(coords: Tensor, labels: Tensor, side: int) -> Tensor:
    """Return the planes [P, 2, S, S] float32, 0 or 1: the box's, then the points', on the device of `coords`.

    `coords` [P, T, 2] (x, y) are in pixels of the input of `side` S, `labels` [P, T] are of `Label`. A pixel is covered
    if its index lies in the box or within the radius, edges included.
    """
    coords = coords.float()
    pixels = torch.arange(side, device=coords.device, dtype=torch.float32)
    boxes = torch.stack([_within(coords[..., axis], labels, pixels) for axis in (1, 0)])  # rows [P, S], columns [P, S]
    return torch.stack([boxes[0][:, :, None] & boxes[1][:, None], _discs(coords, labels, pixels)], dim=1).float()


def _within(along: Tensor, labels: Tensor, pixels: Tensor) -> Tensor:
    """Return [P, S] bool: the pixels between the corners' coordinates `along` one axis; all pixels without a box."""
    corner = (labels == Label.BOX_TOP_LEFT) | (labels == Label.BOX_BOTTOM_RIGHT)
    low = along.masked_fill(~corner, torch.inf).amin(1, keepdim=True)
    high = along.masked_fill(~corner, -torch.inf).amax(1, keepdim=True)
    boxed = corner.any(1, keepdim=True)
    return ~boxed | ((pixels >= low) & (pixels <= high))


def _discs(coords: Tensor, labels: Tensor, pixels: Tensor) -> Tensor:
    """Return [P, S, S] bool: the pixels within the radius of a foreground point."""
    far = 2 * (len(pixels) + RADIUS)
    points = coords.masked_fill((labels != Label.FOREGROUND)[..., None], -far)
    squares = (points[..., None] - pixels).square()  # [P, T, 2, S], x first
    covered = torch.zeros(len(coords), len(pixels), len(pixels), dtype=torch.bool, device=coords.device)
    for point in squares.unbind(1):  # one at a time: a prompt may have thousands
        covered |= point[:, 1, :, None] + point[:, 0, None, :] <= RADIUS**2
    return covered
