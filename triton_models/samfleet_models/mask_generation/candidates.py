"""Masks found so far in one image, as parallel arrays, before they become records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet_models.postprocess.masks import EncodedMasks


@dataclass(frozen=True, slots=True)
class Candidates:
    """Masks in whole-image pixels, each with its predicted IoU, its point (x, y) and its crop (x0, y0, x1, y1)."""

    masks: EncodedMasks
    ious: NDArray[np.float32]
    points: NDArray[np.float64]
    crops: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ious)

    def take(self, rows: NDArray[np.int64]) -> Candidates:
        return Candidates(self.masks.take(rows), self.ious[rows], self.points[rows], self.crops[rows])

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        return cls(
            masks=EncodedMasks.joined([part.masks for part in parts]),
            ious=np.concatenate([np.zeros(0, np.float32), *(part.ious for part in parts)]),
            points=np.concatenate([np.zeros((0, 2)), *(part.points for part in parts)]),
            crops=np.concatenate([np.zeros((0, 4), np.int64), *(part.crops for part in parts)]),
        )

    def records(self, size: tuple[int, int]) -> tuple[MaskRecord, ...]:
        """Return the masks as records in this order; `size` is the image's (height, width)."""
        masks = self.masks
        return tuple(
            MaskRecord(
                counts=masks.counts[row],
                size=size,
                area=int(masks.areas[row]),
                bbox=xywh(masks.boxes[row]),
                predicted_iou=float(self.ious[row]),
                stability_score=float(masks.stability[row]),
                point_coords=(float(self.points[row, 0]), float(self.points[row, 1])),
                crop_box=_crop_xywh(self.crops[row]),
            )
            for row in range(len(self))
        )


def xywh(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Return (x, y, width, height) as the official generator does: inclusive maxima minus minima."""
    x0, y0, x1, y1 = box.tolist()
    return x0, y0, x1 - x0, y1 - y0


def _crop_xywh(crop: NDArray[np.int64]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = crop.tolist()
    return x0, y0, x1 - x0, y1 - y0
