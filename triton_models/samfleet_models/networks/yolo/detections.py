"""Selects objects from a detector's predictions: thresholds, non-maximum suppression, edges.

The rules and their order are those of `non_max_suppression` and of the predictors of CASIA-IVA-Lab/FastSAM
(fastsam/predict.py, fastsam/utils.py) and ChaoningZhang/MobileSAM (MobileSAMv2/mobilesamv2/promt_mobilesamv2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet_models.device.transfers import to_device
from samfleet_models.networks.yolo.letterbox import Letterbox
from samfleet_models.ops.nms import nms

EDGE = 20.0  # pixels of the network input: a side closer to the frame is moved onto it
WHOLE_FRAME_IOU = 0.9
BOX = slice(0, 4)
SCORE = 4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of detections: a score above `score`, and of two boxes with an IoU above `nms` the better one stays.

    At most `most` detections are kept.
    """

    score: float
    nms: float
    most: int


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects found in one image, best first.

    `boxes` [n, 4] (x0, y0, x1, y1) float32 and `scores` [n] float32 in (0, 1); `coefficients` [n, C] stay on the
    network's device.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    coefficients: Tensor

    def __len__(self) -> int:
        return len(self.scores)


def detect(predictions: Tensor, thresholds: Thresholds) -> Detections:
    """Return the objects in the predictions [5 + C, N] of one image; boxes in pixels of the network input."""
    table = predictions[: SCORE + 1].float().cpu()  # boxes and scores, in one copy
    candidates = (table[SCORE] > thresholds.score).nonzero()[:, 0]
    centre, size = table[BOX, candidates].T.numpy().reshape(-1, 2, 2).transpose(1, 0, 2)
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    scores = table[SCORE, candidates].numpy()
    kept = nms(boxes, scores, thresholds.nms)[: thresholds.most]
    chosen = to_device(candidates[torch.from_numpy(kept)], predictions.device)
    return Detections(boxes[kept], scores[kept], predictions[SCORE + 1 :, chosen].float().T)


def snapped(boxes: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Move box sides that are close to the frame of the network input, (height, width), onto it."""
    height, width = shape
    x0, y0, x1, y1 = boxes.T
    sides = [
        np.where(x0 < EDGE, 0, x0),
        np.where(y0 < EDGE, 0, y0),
        np.where(x1 > width - EDGE, width, x1),
        np.where(y1 > height - EDGE, height, y1),
    ]
    out: NDArray[np.float32] = np.stack(sides, axis=1).astype(np.float32)
    return out


def with_whole_frames(boxes: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge boxes that nearly fill the network input, (height, width), to fill it.

    Each keeps its own score and mask. The official code intends this too, but fails on two such boxes.
    """
    height, width = shape
    sides = np.minimum(boxes[:, 2:], [width, height]) - np.maximum(boxes[:, :2], 0)
    inside = sides.clip(0).prod(axis=1)
    union = height * width + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - inside
    whole = inside > WHOLE_FRAME_IOU * union
    out: NDArray[np.float32] = np.where(whole[:, None], np.array([0, 0, width, height], dtype=np.float32), boxes)
    return out


def in_image(boxes: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    """Return boxes in pixels of the image, clipped at its edges.

    Half of the remaining space is subtracted as padding, rounded to whole pixels, so it may be off by one from the
    image's actual corner.
    """
    (height, width), shape = letterbox.original, letterbox.shape
    gain = min(shape[0] / height, shape[1] / width)
    left, top = round((shape[1] - width * gain) / 2 - 0.1), round((shape[0] - height * gain) / 2 - 0.1)
    moved = (boxes - np.array([left, top, left, top], dtype=np.float32)) / np.float32(gain)
    return moved.clip(0, np.array([width, height, width, height], dtype=np.float32))
