"""TinySAM's rule for the second round, on whole masks at full size (tinysam/hierarchical_mask_generator.py)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference.official_generator import Decode, point_prompts, stability_of, to_image_size
from samfleet.variants.task import EverythingParameters
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.point_grid import point_grid

CPU = torch.device("cpu")


@torch.inference_mode()
def points_left(
    embedding: Tensor, decode: Decode, frame: ImageFrame, parameters: EverythingParameters
) -> NDArray[np.float64]:
    """Return [n, 2] (x, y) in pixels: the dense grid's points that no confident mask of the coarse grid covers.

    It is valid only if the coarse grid shares no point with the dense grid.
    """
    size = np.array(frame.original[::-1])
    coarse = point_grid(parameters.points_per_side // parameters.hierarchical_coarse_factor) * size
    low_res, ious = decode(embedding, *point_prompts(frame.to_input(coarse), CPU))
    logits = to_image_size(low_res, frame).flatten(0, 1)
    logits = logits[ious.flatten() > parameters.pred_iou_thresh]
    logits = logits[stability_of(logits, parameters.stability_score_offset) >= parameters.stability_score_thresh]
    sure = (logits > parameters.high_score_thresh).any(0).numpy()
    dense = point_grid(parameters.points_per_side) * size
    return np.array([(x, y) for x, y in dense if not sure[int(y), int(x)]])
