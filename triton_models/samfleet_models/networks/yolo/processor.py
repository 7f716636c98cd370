"""What detectors do with an image before their network sees it, by a record's conventions."""

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
    """`input_size` is the longest side of an image in the network's input."""

    input_size: int
    conventions: Conventions

    @classmethod
    def of(cls, record: VariantRecord) -> LetterboxProcessor:
        return cls(record.input_size, record.conventions)

    def frame(self, height: int, width: int) -> ImageFrame:
        """Prompts and masks are in the image's own pixels: of a frame only its size is used."""
        return ImageFrame.of(height, width, self.input_size, self.conventions.preprocessing)

    def letterbox(self, height: int, width: int) -> Letterbox:
        return Letterbox.of(height, width, self.input_size)

    def resize(self, image: Pixels) -> Resized:
        """HWC uint8 RGB as the network's input shows it, its padding included."""
        return letterboxed(image, self.letterbox(*image.shape[:2]))

    def network_input(self, letterboxes: Sequence[Resized], device: torch.device) -> Tensor:
        """[B, 3, H, W] float32 of images of one shape."""
        return to_pixels(letterboxes, self.conventions.preprocessing, device)
