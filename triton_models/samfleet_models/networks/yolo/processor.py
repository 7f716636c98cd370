"""A detector's image processing before the network, by a record's conventions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet.variants.conventions import Conventions
from samfleet.variants.record import VariantRecord
from samfleet_models.images.transforms import ImageFrame, Pixels, Resized
from samfleet_models.networks.yolo.letterbox import Letterbox, letterboxed, to_pixels


@dataclass(frozen=True, slots=True)
class LetterboxProcessor:
    """Letterboxes images; `input_size` is the longest side of an image in the network's input."""

    input_size: int
    conventions: Conventions

    @classmethod
    def of(cls, record: VariantRecord) -> LetterboxProcessor:
        return cls(record.input_size, record.conventions)

    def frame(self, height: int, width: int) -> ImageFrame:
        """Return the frame, of which only the size is used: prompts and masks are in the image's own pixels."""
        return ImageFrame.of(height, width, self.input_size, self.conventions.preprocessing)

    def letterbox(self, height: int, width: int) -> Letterbox:
        return Letterbox.of(height, width, self.input_size)

    def resize(self, image: Pixels) -> Resized:
        """Return HWC uint8 RGB as in the network's input, including its padding."""
        return letterboxed(image, self.letterbox(*image.shape[:2]))

    def network_input(self, letterboxes: Sequence[Resized], device: torch.device) -> Tensor:
        """Return [B, 3, H, W] float32 of images of one shape."""
        return to_pixels(letterboxes, self.conventions.preprocessing, device)
