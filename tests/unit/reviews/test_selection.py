"""Rows as an export has them after a review; unions are compared with drawn masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.export_rows import SIZE, image_row, mask_row, shapes
from samfleet.masks.rle import decode_mask
from samfleet.reviews.selection import Reviewed, category_ids, merged_mask, selected_by_review, with_reviews
from samfleet.reviews.snapshot import ReviewSnapshot

AT = "2026-11-30T07:00:00+00:00"


def snapshot(path: Path, reviews: Mapping[int, tuple[bool, list[list[Any]]]]) -> ReviewSnapshot:
    """Write a snapshot of images: whether each is complete, and [mask, state, category, merged_into] of its masks."""
    lines = [
        json.dumps([image_id, complete, [[*mask, "key:1", AT] for mask in masks]])
        for image_id, (complete, masks) in reviews.items()
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return ReviewSnapshot(path, 7, ["cat"], {"key:1": "laptop of Ann"})


def rows() -> list[dict[str, Any]]:
    every = shapes()
    several = [mask_row(every[name], category_id=3) for name in ("border", "hole", "parts", "line")]
    return [
        image_row(1, "a.jpg", *several),
        image_row(2, "not_reviewed.jpg", mask_row(every["pixel"])),
        image_row(9, "empty.jpg"),
        image_row(4, "failed.jpg", size=None),
        image_row(5, "rejected.jpg", mask_row(every["hole"])),
    ]


@pytest.fixture
def review(tmp_path: Path) -> ReviewSnapshot:
    decided = [[0, "accepted", "cat", 0], [2, "accepted", "cat", 0], [1, "rejected", None, None]]
    reviews = {1: (False, decided), 9: (True, []), 5: (True, [[0, "rejected", None, None]])}
    return snapshot(tmp_path / "review", reviews)


def selected(review: ReviewSnapshot, wanted: Reviewed) -> dict[str, list[int]]:
    found = selected_by_review(rows(), review, wanted, {"cat": 8})
    return {row["file_name"]: [mask["review"]["mask"] for mask in row["masks"]] for row in found}


def test_masks_are_selected_by_their_state(review: ReviewSnapshot) -> None:
    """Complete images without an accepted mask stay with `accepted`; the others without a mask are left out."""
    assert selected(review, Reviewed.ACCEPTED) == {"a.jpg": [0], "empty.jpg": [], "rejected.jpg": []}
    assert selected(review, Reviewed.REJECTED) == {"a.jpg": [1], "rejected.jpg": [0]}
    assert selected(review, Reviewed.UNREVIEWED) == {"a.jpg": [3], "not_reviewed.jpg": [0]}


def test_an_accepted_object_has_the_union_and_the_category_of_its_review(review: ReviewSnapshot) -> None:
    (first, *_) = selected_by_review(rows(), review, Reviewed.ACCEPTED, {"cat": 8})
    (mask,) = first["masks"]
    union = shapes()["border"] | shapes()["parts"]
    assert np.array_equal(decode_mask(mask["segmentation"]["counts"], SIZE), union)
    assert mask["category_id"] == 8
    said = {"mask": 0, "state": "accepted", "category": "cat", "merged": [0, 2], "by": "laptop of Ann", "at": AT}
    assert mask["review"] == said


def test_all_masks_stay_as_they_are_with_their_review(review: ReviewSnapshot) -> None:
    found = list(with_reviews(rows(), review))
    plain = [{**row, "masks": [{**mask} for mask in row["masks"]]} for row in found]
    for row in plain:
        for mask in row["masks"]:
            mask.pop("review", None)
    assert plain == rows()
    assert [mask.get("review", {}).get("state") for mask in found[0]["masks"]] == [
        "accepted",
        "rejected",
        "accepted",
        None,
    ]


@pytest.mark.parametrize("seed", range(8))
def test_a_merged_mask_equals_the_mask_drawn_from_its_parts(seed: int) -> None:
    drawn = np.random.default_rng(seed).random((3, 30, 40)) < (0.02, 0.3, 0.5, 0.0)[seed % 4]
    masks = [mask_row(bits, predicted_iou=score) for bits, score in zip(drawn, (0.9, 0.6, 0.7), strict=True)]
    merged = merged_mask(masks)
    expected = mask_row(drawn.any(axis=0), predicted_iou=0.6)
    assert merged == expected
    assert "category_id" not in merged


def test_fields_of_a_single_prompt_leave_a_merged_mask() -> None:
    parts = [
        mask_row(bits, category_id=2, detection_score=0.5, point_coords=[[1.0, 2.0]]) for bits in shapes().values()
    ]
    merged = merged_mask([*parts, mask_row(shapes()["hole"])])
    assert merged["category_id"] == 2
    assert not {"point_coords", "detection_score"} & merged.keys()  # one mask has no score of a detection


def test_categories_of_a_review_get_free_ids() -> None:
    listed = [{"id": 1, "name": "person"}, {"id": 3, "name": "cat"}, {"id": 5, "name": "cat"}]
    categories, ids = category_ids(listed, ["cat", "dog", "egg"], {2, 4})
    assert ids == {"cat": 3, "dog": 6, "egg": 7}
    assert categories == [*listed, {"id": 6, "name": "dog"}, {"id": 7, "name": "egg"}]
