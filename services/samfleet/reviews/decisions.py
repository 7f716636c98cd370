"""Decisions about the masks of one image, and changes of them. No database.

A mask is named by its index in the image's result, from 0. Masks that are merged are one object: they have one state
and one category, and a change of one of them changes all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samfleet.db.models import MaskState
from samfleet.reviews.errors import ReviewMaskUnknown, ReviewMergeTooSmall


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision about a mask. `merged_into` is the lowest index of its merged masks, None if it is not merged."""

    state: MaskState = MaskState.UNDECIDED
    category: str | None = None
    merged_into: int | None = None


Decisions = Mapping[int, Decision]
NONE = Decision()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of some masks. What is None stays as it is, and so does the category unless `sets_category`.

    `merge` True makes them one object, with the masks that they were merged with; its state is then `state` or else
    accepted, its category the given one or else that of the lowest mask that has one. False takes such objects apart
    into their masks, which keep state and category.
    """

    masks: tuple[int, ...]
    state: MaskState | None = None
    category: str | None = None
    sets_category: bool = False
    merge: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, as in requests."""
        fields: dict[str, Any] = {"masks": list(self.masks)}
        if self.state is not None:
            fields["state"] = self.state.value
        if self.sets_category:
            fields["category"] = self.category
        if self.merge is not None:
            fields["merge"] = self.merge
        return fields


def changed(before: Decisions, changes: Sequence[Change], mask_count: int) -> dict[int, Decision]:
    """Return the decisions after the changes, made one after the other. Masks without any decision have no entry.

    Raises `ReviewMaskUnknown` for an index outside 0 … `mask_count` - 1, and `ReviewMergeTooSmall`.
    """
    after = dict(before)
    for change in changes:
        _require_masks(change.masks, mask_count)
        if change.merge is not None:
            _merge(after, change) if change.merge else _take_apart(after, change.masks)
        for mask in with_merged(after, change.masks):
            decision = after.get(mask, NONE)
            state = change.state or decision.state
            category = change.category if change.sets_category else decision.category
            after[mask] = Decision(state, category, decision.merged_into)
    return {mask: decision for mask, decision in sorted(after.items()) if decision != NONE}


def with_merged(decisions: Decisions, masks: Collection[int]) -> set[int]:
    """Return the masks and all that are merged with one of them."""
    leads = {decisions[mask].merged_into for mask in masks if mask in decisions} - {None}
    if not leads:
        return set(masks)
    return {*masks, *(mask for mask, decision in decisions.items() if decision.merged_into in leads)}


def merged_sets(decisions: Decisions) -> dict[int, list[int]]:
    """Return the merged masks by the lowest index of each object, ascending."""
    sets: dict[int, list[int]] = {}
    for mask in sorted(decisions):
        lead = decisions[mask].merged_into
        if lead is not None:
            sets.setdefault(lead, []).append(mask)
    return sets


def _require_masks(masks: Sequence[int], mask_count: int) -> None:
    unknown = next((mask for mask in masks if not 0 <= mask < mask_count), None)
    if unknown is not None:
        known = f"its masks are 0 to {mask_count - 1}" if mask_count else "it has no masks"
        raise ReviewMaskUnknown(f"the image has no mask {unknown} in this run: {known}")


def _merge(after: dict[int, Decision], change: Change) -> None:
    whole = sorted(with_merged(after, change.masks))
    if len(whole) < 2:  # noqa: PLR2004 - a mask alone is no merge
        raise ReviewMergeTooSmall
    category = next((after[mask].category for mask in whole if mask in after and after[mask].category), None)
    for mask in whole:
        after[mask] = Decision(change.state or MaskState.ACCEPTED, category, whole[0])


def _take_apart(after: dict[int, Decision], masks: Sequence[int]) -> None:
    for mask in with_merged(after, masks):
        if mask in after:
            after[mask] = replace(after[mask], merged_into=None)
