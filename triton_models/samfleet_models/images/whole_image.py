"""Images that are not resized for the network."""

from __future__ import annotations

from dataclasses import dataclass

from samfleet.variants.conventions import Conventions
from samfleet.variants.record import VariantRecord
from samfleet_models.images.transforms import ImageFrame, Pixels, Resized


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Leaves images as they are, for networks that take their input from the original pixels."""

    record: VariantRecord

    @property
    def conventions(self) -> Conventions:
        return self.record.conventions

    def frame(self, height: int, width: int) -> ImageFrame:
        """Return the frame, of which only the size is used: boxes and masks are in the image's own pixels."""
        return ImageFrame.of(height, width, self.record.input_size)

    def resize(self, image: Pixels) -> Resized:
        return image
