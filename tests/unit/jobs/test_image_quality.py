from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from samfleet.jobs.image_quality import everything_quality, prompted_quality
from samfleet.jobs.outcomes import Annotation, Quality
from samfleet.masks.record import MaskRecord
from samfleet.quality.segmentation import AnnotationOutlineTooLong, annotation_mask
from samfleet.quality.sizes import AnnotationSizeMismatch

HEIGHT, WIDTH = 12, 10
SQUARE = [[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]]  # 4 x 4 pixels


def pixels(top: int, left: int, bottom: int, right: int) -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def record(mask: NDArray[np.uint8], *, prompt: int | None = None, score: float = 0.9) -> MaskRecord:
    code = coco.encode(np.asfortranarray(mask))
    return MaskRecord(
        code["counts"].decode(), (HEIGHT, WIDTH), int(mask.sum()), (0, 0, 1, 1), score, 1.0, prompt_index=prompt
    )


def annotation(segmentation: Any) -> Annotation:
    return Annotation(1, 7, (2, 2, 4, 4), iscrowd=False, segmentation=segmentation)


def uncompressed(mask: NDArray[np.uint8]) -> dict[str, Any]:
    flat = mask.flatten(order="F")
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    counts = np.diff(edges).tolist()
    return {"size": list(mask.shape), "counts": counts if flat[0] == 0 else [0, *counts]}


def test_polygons_and_both_run_length_forms_give_the_same_pixels() -> None:
    expected = pixels(2, 2, 6, 6).astype(bool)
    compressed = coco.encode(np.asfortranarray(pixels(2, 2, 6, 6)))
    text = {"size": compressed["size"], "counts": compressed["counts"].decode()}
    for segmentation in (SQUARE, uncompressed(pixels(2, 2, 6, 6)), text):
        assert np.array_equal(annotation_mask(segmentation, HEIGHT, WIDTH), expected)


def test_polygons_are_united_and_one_of_two_points_is_empty() -> None:
    two = [*SQUARE, [7.0, 2.0, 9.0, 2.0, 9.0, 6.0, 7.0, 6.0]]
    assert annotation_mask(two, HEIGHT, WIDTH).sum() == 16 + 8
    assert annotation_mask([*SQUARE, [0.0, 0.0, 9.0, 9.0]], HEIGHT, WIDTH).sum() == 16
    assert annotation_mask([[0.0, 0.0, 9.0, 9.0]], HEIGHT, WIDTH).sum() == 0


def test_prompts_are_scored_by_their_best_mask() -> None:
    masks = [
        record(pixels(2, 2, 6, 6), prompt=1, score=0.2),
        record(pixels(2, 2, 6, 4), prompt=1, score=0.8),
        record(pixels(0, 0, 12, 10), prompt=0),
    ]
    square = annotation(SQUARE)
    quality = prompted_quality(masks, [square, square], HEIGHT, WIDTH)
    assert quality is not None
    assert astuple(quality) == (2, pytest.approx(16 / 120 + 8 / 16))
    assert prompted_quality([], [square], HEIGHT, WIDTH) == Quality(1, 0.0)
    assert prompted_quality(masks, [], HEIGHT, WIDTH) is None


def test_segevery_uses_the_best_mask_for_each_instance() -> None:
    masks = [record(pixels(0, 0, 12, 10)), record(pixels(2, 2, 6, 6))]
    other = annotation([[7.0, 8.0, 9.0, 8.0, 9.0, 12.0, 7.0, 12.0]])
    quality = everything_quality(masks, [annotation(SQUARE), other], HEIGHT, WIDTH)
    assert quality is not None
    assert astuple(quality) == (2, pytest.approx(1.0 + 8 / 120))
    assert everything_quality([], [other], HEIGHT, WIDTH) == Quality(1, 0.0)
    assert everything_quality(masks, [], HEIGHT, WIDTH) is None


def test_an_empty_union_counts_as_no_agreement() -> None:
    nothing = annotation({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]})
    assert prompted_quality([record(pixels(0, 0, 0, 0), prompt=0)], [nothing], HEIGHT, WIDTH) == Quality(1, 0.0)


@pytest.mark.parametrize("counts", [[0, 65535 * 65535], "1"])
def test_run_lengths_of_another_size_are_refused_with_both_sizes_named(counts: object) -> None:
    elsewhere = annotation({"size": [65535, 65535], "counts": counts})
    with pytest.raises(AnnotationSizeMismatch, match=r"\[65535, 65535\], the image has \[12, 10\]"):
        prompted_quality([record(pixels(0, 0, 4, 4), prompt=0)], [elsewhere], HEIGHT, WIDTH)


def test_polygons_far_beyond_the_image_are_refused() -> None:
    far = annotation([[0.0, 0.0, 1e7, 0.0, 0.0, 1e7]])
    with pytest.raises(AnnotationOutlineTooLong):
        everything_quality([record(pixels(0, 0, 4, 4))], [far], HEIGHT, WIDTH)
