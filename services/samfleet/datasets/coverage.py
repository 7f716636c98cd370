"""Counts of the images that have annotations and of the annotations that match an image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of a dataset and its annotations file.

    `annotated_images` are the images listed in the file. `annotations` are those used, of which `boxes` have no mask;
    `unused` ones belong to no image of the dataset.
    """

    images: int
    annotated_images: int
    annotations: int
    unused: int
    boxes: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.annotated_images} of {self.images} images annotated, "
            f"{self.unused} of {self.annotations + self.unused} annotations unused"
        )
        return f"{text}, {self.boxes} are boxes without a mask" if self.boxes else text
