"""Rows of a run's parts with their review, for exports.

A merged object stands at the place of its lowest mask. Its mask is the union, its area and box are those of the union,
and its predicted IoU, stability score and detection score are the lowest of its masks. Fields of a single prompt are
left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import count
from typing import Any

from samfleet.db.models import MaskState
from samfleet.masks.rle import encode_runs
from samfleet.masks.run_sets import runs_of_code, union
from samfleet.reviews.decisions import merged_sets
from samfleet.reviews.snapshot import ReviewOfImage, ReviewSnapshot, Signed

SCORES = ("predicted_iou", "stability_score", "detection_score")

Row = Mapping[str, Any]


class Reviewed(StrEnum):
    """Masks that an export has, by their review."""

    ALL = "all"  # the run's masks as they are; the review changes none
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNREVIEWED = "unreviewed"


def with_reviews(rows: Iterable[Row], snapshot: ReviewSnapshot) -> Iterator[Row]:
    """Yield all rows; a mask with a decision has it as `review`."""
    for row, review in _side_by_side(rows, snapshot):
        if review is None or not review.masks:
            yield row
            continue
        sets = merged_sets(_decisions(review))
        masks = [
            {**mask, "review": _stated(index, review.masks[index], sets)} if index in review.masks else mask
            for index, mask in enumerate(row["masks"])
        ]
        yield {**row, "masks": masks}


def selected_by_review(
    rows: Iterable[Row], snapshot: ReviewSnapshot, wanted: Reviewed, category_ids: Mapping[str, int]
) -> Iterator[Row]:
    """Yield the images with masks in the wanted state, with these masks; failed images are left out.

    Merged masks are united, and masks get the category of their review. With `ACCEPTED`, an image whose review is
    complete stays without a mask too: it shows that there is nothing.
    """
    for row, review in _side_by_side(rows, snapshot):
        if row["width"] is None:
            continue
        masks = list(_wanted_masks(row, review, wanted, category_ids))
        if masks or (wanted is Reviewed.ACCEPTED and review is not None and review.complete):
            yield {**row, "masks": masks}


def category_ids(
    listed: Sequence[Mapping[str, Any]], names: Iterable[str], used: Collection[int]
) -> tuple[list[Mapping[str, Any]], dict[str, int]]:
    """Return the listed categories with new ones for names that they lack, and the id of each of the `names`.

    A new category takes the next id that neither a listed category nor a mask (`used`) has.
    """
    known: dict[str, int] = {}
    for category in listed:
        known.setdefault(str(category["name"]), category["id"])
    taken = {*used, *(category["id"] for category in listed)}
    free = (number for number in count(1) if number not in taken)
    found = {name: known[name] if name in known else next(free) for name in names}
    return [*listed, *({"id": found[name], "name": name} for name in found if name not in known)], found


def _side_by_side(rows: Iterable[Row], snapshot: ReviewSnapshot) -> Iterator[tuple[Row, ReviewOfImage | None]]:
    """Yield each row with the review of its image; both are in the order of the dataset."""
    reviews = snapshot.images()
    following = next(reviews, None)
    for row in rows:
        if following is None or following.image_id != row["image_id"]:
            yield row, None
        else:
            yield row, following
            following = next(reviews, None)


def _wanted_masks(
    row: Row, review: ReviewOfImage | None, wanted: Reviewed, ids: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    decided = review.masks if review else {}
    sets = merged_sets(_decisions(review)) if review else {}
    for index, mask in enumerate(row["masks"]):
        signed = decided.get(index)
        if (signed.decision.state if signed else MaskState.UNDECIDED) is not _STATES[wanted]:
            continue
        if signed is None:
            yield {**mask, "review": {"mask": index, "state": MaskState.UNDECIDED.value}}
            continue
        lead = signed.decision.merged_into
        if lead not in (None, index):
            continue
        whole = dict(mask) if lead is None else merged_mask([row["masks"][one] for one in sets[lead]])
        if signed.decision.category is not None:
            whole["category_id"] = ids[signed.decision.category]
        yield {**whole, "review": _stated(index, signed, sets)}


_STATES = {
    Reviewed.ACCEPTED: MaskState.ACCEPTED,
    Reviewed.REJECTED: MaskState.REJECTED,
    Reviewed.UNREVIEWED: MaskState.UNDECIDED,
}


def merged_mask(masks: Sequence[Row]) -> dict[str, Any]:
    """Return the union of masks of the same image, with the category of the first mask, if it has one.

    Its box is that of the official generator: inclusive maxima minus minima.
    """
    height, width = masks[0]["segmentation"]["size"]
    runs = union([runs_of_code(mask["segmentation"]["counts"], (height, width)) for mask in masks])
    left, top, right, bottom = runs.boxes()[0].tolist()
    merged: dict[str, Any] = {
        "segmentation": {"size": [height, width], "counts": encode_runs(runs)[0]},
        "area": int(runs.areas()[0]),
        "bbox": [left, top, right - left, bottom - top],
    }
    for name in SCORES:
        if all(name in mask for mask in masks):
            merged[name] = min(mask[name] for mask in masks)
    if "category_id" in masks[0]:
        merged["category_id"] = masks[0]["category_id"]
    return merged


def _stated(index: int, signed: Signed, sets: Mapping[int, Sequence[int]]) -> dict[str, Any]:
    """Return the review of a mask as exports show it: its index in the result, its state, and who set it when."""
    lead = signed.decision.merged_into
    merged = {} if lead is None else {"merged": list(sets[lead])}
    category = {} if signed.decision.category is None else {"category": signed.decision.category}
    state = signed.decision.state.value
    return {"mask": index, "state": state, **category, **merged, "by": signed.by, "at": signed.at}


def _decisions(review: ReviewOfImage) -> dict[int, Any]:
    return {mask: signed.decision for mask, signed in review.masks.items()}
