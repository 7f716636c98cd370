from __future__ import annotations

from samfleet.datasets.matching import assign_image_ids


def test_without_annotations_ids_count_from_one() -> None:
    assert assign_image_ids(["a", "b", "c"], None) == [1, 2, 3]


def test_the_relative_path_wins_over_the_last_part() -> None:
    assert assign_image_ids(["x/a", "y/a"], {"x/a": 10, "a": 20}) == [10, 20]


def test_the_last_part_counts_where_it_is_unique_on_both_sides() -> None:
    assert assign_image_ids(["val/a", "val/b"], {"a": 10, "train/b": 20}) == [10, 20]
    assert assign_image_ids(["x/a", "y/a"], {"a": 10}) == [11, 12]
    assert assign_image_ids(["a"], {"x/a": 10, "y/a": 20}) == [21]


def test_unmatched_images_get_ids_after_the_largest() -> None:
    assert assign_image_ids(["a", "b", "c"], {"b": 500, "gone": 900}) == [901, 500, 902]
    assert assign_image_ids(["a"], {}) == [1]
