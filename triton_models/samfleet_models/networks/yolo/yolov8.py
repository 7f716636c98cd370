"""YOLOv8-seg: every object of an image in one pass, as a box, a score and mask coefficients.

Layout and keys are those of the published checkpoints of FastSAM (arXiv 2306.12156, CASIA-IVA-Lab/FastSAM) and of
MobileSAMv2's detector (arXiv 2312.09579, ChaoningZhang/MobileSAM). Both were made with ultralytics 8.0.120, and their
files load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.networks.yolo.yolov8_blocks import C2f, ConvNorm, PyramidPooling

STRIDES = (8, 16, 32)  # network input pixels per cell of the three grids
PYRAMID = (15, 18, 21)  # the layers that output those grids
HEAD = 22
CLASSES = 1  # one class: any object
# Layer: its two inputs; the first is doubled in height and width if it comes from a coarser grid.
JOINED = {12: (9, 6), 15: (12, 4), 18: (16, 12), 21: (19, 9)}
DOUBLED = (12, 15)


@dataclass(frozen=True, slots=True)
class YoloSizes:
    """Sizes of a layout. `depth` and `width` scale the largest layout's blocks and channels, up to `max_channels`.

    A side of a box is the mean of a distribution over `bins` distances. Without `prototypes` the network returns boxes
    and coefficients but no masks.
    """

    depth: float
    width: float
    max_channels: int
    bins: int = 16
    coefficients: int = 32
    prototypes: bool = True

    def channels(self, full: int) -> int:
        """Return the scaled width, rounded up to a multiple of 8."""
        return -int(-min(full, self.max_channels) * self.width // 8) * 8

    def blocks(self, full: int) -> int:
        return max(round(full * self.depth), 1)


class Prototypes(nn.Module):
    """Maps the finest grid [B, C, H, W] to the prototypes [B, coefficients, 2H, 2W] that masks are mixed from."""

    def __init__(self, inner: int, hidden: int, outer: int) -> None:
        super().__init__()
        self.cv1 = ConvNorm(inner, hidden, 3)
        self.upsample = nn.ConvTranspose2d(hidden, hidden, 2, 2)
        self.cv2 = ConvNorm(hidden, hidden, 3)
        self.cv3 = ConvNorm(hidden, outer)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cv3(self.cv2(self.upsample(self.cv1(x))))
        return out


class Distances(nn.Module):
    """The mean of a distribution over distances; the published weight is 0, 1, 2, … and was never trained."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(bins, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, 4 * bins, N] to [B, 4, N], in cells."""
        batch, channels, cells = x.shape
        shares = x.view(batch, 4, channels // 4, cells).transpose(1, 2).softmax(1)  # [B, bins, 4, N]
        return torch.as_tensor(self.conv(shares)).view(batch, 4, cells)


class Head(nn.Module):
    """Maps three grids to predictions [B, 5 + coefficients, N] and prototypes, if it has any.

    N counts the cells of the finest grid, row by row, then of the others. The rows are the box's centre and size in
    pixels of the network input, the score in (0, 1), and the coefficients.
    """

    def __init__(self, sizes: YoloSizes, inner: Sequence[int]) -> None:
        super().__init__()
        box = max(16, inner[0] // 4, 4 * sizes.bins)
        score = max(inner[0], CLASSES)
        mask = max(inner[0] // 4, sizes.coefficients)
        self.cv2 = nn.ModuleList(_branch(width, box, 4 * sizes.bins) for width in inner)
        self.cv3 = nn.ModuleList(_branch(width, score, CLASSES) for width in inner)
        self.dfl = Distances(sizes.bins)
        if sizes.prototypes:
            self.proto = Prototypes(inner[0], sizes.channels(256), sizes.coefficients)
        self.cv4 = nn.ModuleList(_branch(width, mask, sizes.coefficients) for width in inner)

    def forward(self, grids: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        distances, scores, coefficients = (
            torch.cat([layer(grid).flatten(2) for layer, grid in zip(branch, grids, strict=True)], dim=2)
            for branch in (self.cv2, self.cv3, self.cv4)
        )
        # float32, because 16-bit types cannot represent every pixel number
        boxes = boxes_of(self.dfl(distances).float(), [grid.shape[2:] for grid in grids])
        predictions = torch.cat([boxes, scores.float().sigmoid(), coefficients.float()], dim=1)
        return predictions, self.proto(grids[0]) if hasattr(self, "proto") else None


class YoloSeg(nn.Module):
    """Maps [B, 3, H, W] in [0, 1], sides multiples of 32, to the outputs of `Head`.

    Layers are numbered as published; the missing numbers double a grid or join two, and have no parameters.
    """

    def __init__(self, sizes: YoloSizes) -> None:
        super().__init__()
        self.sizes = sizes
        c = [sizes.channels(full) for full in (64, 128, 256, 512, 1024)]
        layers: dict[int, nn.Module] = {
            0: ConvNorm(3, c[0], 3, 2),
            1: ConvNorm(c[0], c[1], 3, 2),
            2: C2f(c[1], c[1], sizes.blocks(3), residual=True),
            3: ConvNorm(c[1], c[2], 3, 2),
            4: C2f(c[2], c[2], sizes.blocks(6), residual=True),
            5: ConvNorm(c[2], c[3], 3, 2),
            6: C2f(c[3], c[3], sizes.blocks(6), residual=True),
            7: ConvNorm(c[3], c[4], 3, 2),
            8: C2f(c[4], c[4], sizes.blocks(3), residual=True),
            9: PyramidPooling(c[4], c[4]),
            12: C2f(c[4] + c[3], c[3], sizes.blocks(3)),
            15: C2f(c[3] + c[2], c[2], sizes.blocks(3)),
            16: ConvNorm(c[2], c[2], 3, 2),
            18: C2f(c[2] + c[3], c[3], sizes.blocks(3)),
            19: ConvNorm(c[3], c[3], 3, 2),
            21: C2f(c[3] + c[4], c[4], sizes.blocks(3)),
            HEAD: Head(sizes, c[2:]),
        }
        self.model = nn.ModuleDict({str(number): layer for number, layer in layers.items()})

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        kept: dict[int, Tensor] = {}
        x = pixels
        for number, layer in ((int(name), layer) for name, layer in self.model.items() if int(name) != HEAD):
            if number in JOINED:
                before, skip = (kept[other] for other in JOINED[number])
                if number in DOUBLED:
                    before = functional.interpolate(before, scale_factor=2.0, mode="nearest")
                x = torch.cat([before, skip], dim=1)
            x = layer(x)
            kept[number] = x
        out: tuple[Tensor, Tensor | None] = self.model[str(HEAD)]([kept[number] for number in PYRAMID])
        return out


def boxes_of(distances: Tensor, shapes: Sequence[torch.Size]) -> Tensor:
    """Return centre and size [B, 4, N] in pixels from the distances to the left, top, right and bottom in cells.

    Distances are measured from the centre of each cell of the grids of these shapes.
    """
    corners, strides, device = [], [], distances.device
    for (rows, columns), stride in zip(shapes, STRIDES, strict=True):
        y, x = torch.meshgrid(*(torch.arange(side, device=device) + 0.5 for side in (rows, columns)), indexing="ij")
        corners.append(torch.stack([x, y]).flatten(1))
        strides.append(torch.full((rows * columns,), float(stride), device=device))
    centre = torch.cat(corners, dim=1).to(distances.dtype)
    before, after = distances.chunk(2, dim=1)
    low, high = centre - before, centre + after
    return torch.cat([(low + high) / 2, high - low], dim=1) * torch.cat(strides).to(distances.dtype)


def _branch(inner: int, hidden: int, outer: int) -> nn.Sequential:
    return nn.Sequential(ConvNorm(inner, hidden, 3), ConvNorm(hidden, hidden, 3), nn.Conv2d(hidden, outer, 1))


def build_yolo(architecture: Mapping[str, object]) -> YoloSeg:
    """Build the network of a record's `architecture`."""
    return YoloSeg(YoloSizes(**cast("dict[str, Any]", dict(architecture))))
