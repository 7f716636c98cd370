from __future__ import annotations

import pytest

from samfleet.db.models import MaskState
from samfleet.reviews.decisions import Change, Decision, changed, merged_sets
from samfleet.reviews.errors import ReviewMaskUnknown, ReviewMergeTooSmall

ACCEPTED, REJECTED, DELETED, UNDECIDED = MaskState


def test_states_and_categories_are_set_and_taken_back() -> None:
    decided = changed({}, [Change((0, 2), ACCEPTED), Change((2,), category="cat", sets_category=True)], 3)
    assert decided == {0: Decision(ACCEPTED), 2: Decision(ACCEPTED, "cat")}
    undone = changed(decided, [Change((0, 2), UNDECIDED)], 3)
    assert undone == {2: Decision(UNDECIDED, "cat")}
    assert changed(undone, [Change((2,), category=None, sets_category=True)], 3) == {}


def test_merged_masks_are_one_object() -> None:
    before = changed({}, [Change((3,), category="cat", sets_category=True)], 6)
    merged = changed(before, [Change((5, 3), merge=True)], 6)
    assert merged == {3: Decision(ACCEPTED, "cat", 3), 5: Decision(ACCEPTED, "cat", 3)}
    assert changed(merged, [Change((5,), REJECTED)], 6)[3].state is REJECTED
    joined = changed(merged, [Change((1, 5), REJECTED, merge=True)], 6)
    assert merged_sets(joined) == {1: [1, 3, 5]}
    assert {decision.state for decision in joined.values()} == {REJECTED}
    apart = changed(joined, [Change((5,), merge=False), Change((1,), DELETED)], 6)
    assert apart == {1: Decision(DELETED, "cat"), 3: Decision(REJECTED, "cat"), 5: Decision(REJECTED, "cat")}


def test_two_objects_become_one() -> None:
    two = changed({}, [Change((0, 1), merge=True), Change((2, 3), merge=True)], 5)
    assert merged_sets(two) == {0: [0, 1], 2: [2, 3]}
    assert merged_sets(changed(two, [Change((1, 3), merge=True)], 5)) == {0: [0, 1, 2, 3]}


def test_a_change_that_is_made_twice_makes_no_difference() -> None:
    changes = [Change((0, 1), merge=True, category="a", sets_category=True), Change((2,), DELETED)]
    once = changed({}, changes, 3)
    assert changed(once, changes, 3) == once


@pytest.mark.parametrize("mask", [-1, 3, 2**31])
def test_a_mask_that_does_not_exist_is_refused(mask: int) -> None:
    with pytest.raises(ReviewMaskUnknown, match=f"no mask {mask} in this run: its masks are 0 to 2"):
        changed({}, [Change((0, mask), ACCEPTED)], 3)
    with pytest.raises(ReviewMaskUnknown, match="it has no masks"):
        changed({}, [Change((0,), ACCEPTED)], 0)


def test_a_mask_alone_is_not_merged() -> None:
    with pytest.raises(ReviewMergeTooSmall):
        changed({}, [Change((1,), merge=True)], 3)
