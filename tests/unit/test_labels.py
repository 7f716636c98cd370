from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from samfleet.labels import MOST_LABELS, LabelsInvalid, check_labels, merge_changes, merge_labels, parse_label


@dataclass
class Row:
    name: str | None = "old"
    labels: dict[str, str] = field(default_factory=lambda: {"team": "a", "round": "1"})
    notes: str | None = None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("team", "shelves"),
        ("a", ""),
        ("A.b_c-9", "v1.2_x-Y"),
        ("example.com/team", "0"),
        ("k" * 63, "v" * 63),
        (f"{'.'.join(['d' * 63] * 3)}/x", "x"),
    ],
)
def test_labels_of_kubernetes_syntax_are_accepted(key: str, value: str) -> None:
    assert check_labels({key: value}) == {key: value}
    assert parse_label(f"{key}:{value}", ":") == (key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "x"),
        ("-a", "x"),
        ("a-", "x"),
        ("a b", "x"),
        ("k" * 64, "x"),
        ("/a", "x"),
        ("a/b/c", "x"),
        ("Example.com/a", "x"),
        (f"{'.'.join(['d' * 63] * 4)}/x", "x"),
        ("a\n", "x"),
        ("é", "x"),
        ("a", " "),
        ("a", "x:y"),
        ("a", "v" * 64),
        ("a", "v."),
        ("a", "x\x00"),
    ],
)
def test_other_labels_are_refused(key: str, value: str) -> None:
    with pytest.raises(LabelsInvalid, match="label"):
        check_labels({key: value})


def test_a_text_without_the_separator_is_no_label() -> None:
    with pytest.raises(LabelsInvalid, match="write KEY=VALUE"):
        parse_label("team", "=")
    assert parse_label("team=", "=") == ("team", "")


def test_labels_are_merged_and_null_removes() -> None:
    labels = {"team": "a", "round": "1"}
    assert merge_labels(labels, {"round": "2", "team": None, "gone": None, "new": ""}) == {"round": "2", "new": ""}
    assert merge_labels(labels, None) == {}
    assert labels == {"team": "a", "round": "1"}


def test_the_number_of_labels_is_limited_after_a_merge() -> None:
    full = {f"k{number}": "" for number in range(MOST_LABELS)}
    assert len(merge_labels(full, {"k0": None, "more": ""})) == MOST_LABELS
    with pytest.raises(LabelsInvalid, match=f"there are {MOST_LABELS + 1} labels"):
        merge_labels(full, {"more": ""})


def test_only_given_fields_change_and_are_named() -> None:
    row = Row()
    assert merge_changes(row, {"name": "old", "labels": {"round": "1"}}) == []
    assert merge_changes(row, {"notes": "for week 48", "labels": {"team": None}}) == ["labels", "notes"]
    assert row == Row("old", {"round": "1"}, "for week 48")
