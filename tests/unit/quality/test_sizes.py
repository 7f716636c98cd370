from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from samfleet.quality.sizes import AnnotationSizeMismatch, check_size


@dataclass(frozen=True, slots=True)
class Shape:
    segmentation: Any
    bbox: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def square(left: float, top: float, right: float, bottom: float) -> Shape:
    return Shape([[left, top, right, top, right, bottom, left, bottom]])


INSIDE = square(10, 10, 50, 50)
WIDTH, HEIGHT = 240, 160


@pytest.mark.parametrize(
    ("shapes", "stated"),
    [
        ([INSIDE, square(300, 200, 400, 300)], (480, 320)),  # annotated before the image was reduced
        ([square(100, 100, 150, 230)], (160, 240)),  # annotated on the image as stored, before it was turned upright
        ([Shape([], (300.0, 200.0, 100.0, 100.0))], (480, 320)),  # only a box
        ([square(240, 10, 260, 30)], None),
        ([square(10, 170, 30, 190)], None),
        ([Shape({"size": [320, 480], "counts": []})], (240, 160)),
        ([Shape({"size": [240, 160], "counts": []})], None),
    ],
)
def test_annotations_that_prove_another_image_size(shapes: list[Shape], stated: tuple[int, int] | None) -> None:
    with pytest.raises(AnnotationSizeMismatch, match=str(WIDTH)):
        check_size(shapes, stated, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("shapes", "stated"),
    [
        ([INSIDE], (480, 320)),
        ([INSIDE], (160, 240)),
        ([INSIDE], None),
        ([square(200, 100, 300, 220)], (WIDTH, HEIGHT)),  # beyond the edge, as tools write it
        ([square(200, 100, 300, 220)], None),
        ([square(200, 100, 900, 900)], (480, 320)),  # beyond the stated size too, which proves nothing
        ([square(230, 150, 241, 161)], (480, 320)),
        ([square(500, 500, 510, 510)], (WIDTH, HEIGHT)),
        ([Shape({"size": [HEIGHT, WIDTH], "counts": []})], None),
        ([], (480, 320)),
    ],
)
def test_annotations_that_do_not_prove_another_image_size(shapes: list[Shape], stated: tuple[int, int] | None) -> None:
    check_size(shapes, stated, WIDTH, HEIGHT)
