"""A family's image processing before the network: one object from the record's conventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet.variants.conventions import Conventions
from samfleet.variants.record import VariantRecord
from samfleet_models.images.transforms import ImageFrame, Pixels, Resized, resize_image, to_network_input


@dataclass(frozen=True, slots=True)
class ImageProcessor:
    """Resizes and normalises images by a record's conventions.

    `input_size` is the side of the network's input, `frame_size` that of the square of prompts and masks.
    """

    input_size: int
    frame_size: int
    conventions: Conventions

    @classmethod
    def of(cls, record: VariantRecord) -> ImageProcessor:
        return cls(record.input_size, record.frame_size, record.conventions)

    def frame(self, height: int, width: int) -> ImageFrame:
        """Return the frame of an image of that size for prompts and masks."""
        rules = self.conventions
        return ImageFrame.of(height, width, self.frame_size, rules.preprocessing, rules.masks.upsampling)

    def resize(self, image: Pixels) -> Resized:
        """Return HWC RGB at its size in the network's input."""
        return resize_image(image, self.input_size, self.conventions.preprocessing)

    def network_input(self, resized: Sequence[Resized], device: torch.device) -> Tensor:
        """Return the input [B, 3, S, S] float32."""
        return to_network_input(resized, self.input_size, self.conventions.preprocessing, device)
