"""How far annotations and the images of a dataset belong together, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coverage:
    """`annotated_images` are those that the file names. `annotations` are used, `unused` belong to no image here, and
    `boxes` of those used have no mask.
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
