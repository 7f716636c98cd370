"""Converts a mask prompt in image pixels to the low-resolution logits that a prompt encoder takes.

The official predictors take such logits as `mask_input` and leave their making to the caller (segment_anything/
predictor.py). SAM 2 makes them of a user's binary mask (`_use_mask_as_output` of sam2/modeling/sam2_base.py): 20 · mask
- 10, reduced to a quarter by the antialiased bilinear filter. This is done here, in SAM's frame.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from samfleet.masks.rle import decode_mask
from samfleet.variants.task import PromptMask
from samfleet_models.images.transforms import ImageFrame

LOGIT = 10.0  # of a pixel of the object; one outside, and the frame's padding, has its negative
WHITE = 255


def mask_logits(mask: PromptMask, frame: ImageFrame, side: int) -> Tensor:
    """Return logits [side, side] float32, in -10 to 10, of a mask that has the size of the frame's image.

    The mask is resized as a grey picture, by Pillow's antialiased bilinear filter, to the image's size in the frame.
    The padded square is then resized to `side`.
    """
    pixels = decode_mask(mask.counts, mask.size)
    height, width = frame.resized
    grey = Image.fromarray(pixels.astype(np.uint8) * WHITE).resize((width, height), Image.Resampling.BILINEAR)
    square: NDArray[np.float32] = np.zeros((frame.input_size, frame.input_size), dtype=np.float32)
    square[:height, :width] = np.asarray(grey, dtype=np.float32) / WHITE
    inside = torch.from_numpy(square)[None, None]
    reduced = functional.interpolate(inside, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return reduced[0, 0].mul_(2 * LOGIT).sub_(LOGIT)
