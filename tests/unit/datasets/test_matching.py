from __future__ import annotations

import pytest

from samfleet.datasets.matching import assign_image_ids


def test_without_annotations_ids_count_from_one() -> None:
    assert list(assign_image_ids(["a", "b", "c"], None)) == [1, 2, 3]


def test_the_relative_path_wins_over_the_last_part() -> None:
    assert assign_image_ids(["x/a", "a"], {"x/a": 10, "a": 20}) == [10, 20]
    assert assign_image_ids(["x/a", "y/a"], {"x/a": 10, "a": 20}) == [10, 21]  # two images are named a


def test_the_last_part_matches_if_it_is_unique_on_both_sides() -> None:
    assert assign_image_ids(["val/a", "val/b"], {"a": 10, "train/b": 20}) == [10, 20]
    assert assign_image_ids(["x/a", "y/a"], {"a": 10}) == [11, 12]
    assert assign_image_ids(["a"], {"x/a": 10, "y/a": 20}) == [21]


def test_unmatched_images_get_ids_after_the_largest() -> None:
    assert assign_image_ids(["a", "b", "c"], {"b": 500, "gone": 900}) == [901, 500, 902]
    assert assign_image_ids(["a"], {}) == [1]


@pytest.mark.parametrize(
    ("image", "entry"),
    [
        ("Gr\u00f6\u00dfe.png", "Gro\u0308\u00dfe.png"),
        ("Gro\u0308\u00dfe.png", "Gr\u00f6\u00dfe.png"),
        ("images/b.jpg", "images\\b.jpg"),
        ("b.jpg", "images\\b.jpg"),
        ("b.jpg", "C:\\photos\\b.jpg"),
        ("b.jpg", "./b.jpg"),
        ("a b.jpg", "a%20b.jpg"),
        ("a b.jpg", "images/a%20b.jpg"),
        ("b.jpg", "file:///home/me/b.jpg"),
        ("sub/b.jpg", "https://host/bucket/sub/b.jpg?versionId=3"),
        ("b.jpg", "s3://bucket/sub/b.jpg"),
        ("b.jpg", "1a2b3c4d-b.jpg"),
        ("b.jpg", "images/1a2b3c4d-b.jpg"),
        ("b.jpg", "/data/upload/1/1a2b3c4d-b.jpg"),
        ("1a2b3c4d-b.jpg", "/data/upload/1/1a2b3c4d-b.jpg"),
        ("sub/b c.jpg", "/data/local-files/?d=sub%2Fb%20c.jpg"),
        ("b.jpg", "/data/local-files/?d=photos/sub/b.jpg"),
        ("b.jpg", "http://localhost:8080/data/local-files/?d=photos/b.jpg"),
        ("b.jpg", "b_jpg.rf.0a1B2c3D4e5f.jpg"),
        ("b.jpeg", "train/b_jpeg.rf.0a1B2c3D.jpg"),
        ("b.JPG", "b.jpg"),
        ("sub/b.jpg", "IMAGES/B.JPG"),
        ("train/b.jpg", "images/train/b.jpg"),
    ],
)
def test_names_written_by_annotation_tools_are_matched(image: str, entry: str) -> None:
    assert assign_image_ids([image, "other.jpg"], {entry: 10, "gone.jpg": 20}) == [10, 21]


def test_the_original_name_matches_if_the_exported_one_does_not() -> None:
    annotated = {"my-photo_jpg.rf.0a1b.jpg": 10, "c_png.rf.0a1b.jpg": 20}
    assert assign_image_ids(["my photo!.jpg", "c.png"], annotated, {10: "my photo!.jpg"}) == [10, 20]


def test_folders_distinguish_equal_file_names() -> None:
    annotated = {"images/val/a.jpg": 10, "images/train/a.jpg": 20}
    assert assign_image_ids(["train/a.jpg", "val/a.jpg", "test/a.jpg"], annotated) == [20, 10, 21]


@pytest.mark.parametrize(
    ("images", "entries"),
    [
        (["a.jpg"], ["x\\a.jpg", "y\\a.jpg"]),
        (["a.jpg"], ["1a2b3c4d-a.jpg", "5a6b7c8d-a.jpg"]),
        (["a.jpg"], ["a_jpg.rf.01.jpg", "a_jpg.rf.02.jpg"]),  # augmented
        (["A.jpg", "a.JPG"], ["a.jpg"]),
        (["x/a.jpg", "y/a.jpg"], ["a.jpg"]),
        (["x/a.jpg", "y/a.jpg"], ["z/a.jpg"]),
    ],
)
def test_ambiguous_names_stay_unmatched(images: list[str], entries: list[str]) -> None:
    ids = {entry: 10 + number for number, entry in enumerate(entries)}
    assert not set(assign_image_ids(images, ids)) & set(ids.values())


def test_an_exact_match_precedes_a_match_by_file_name() -> None:
    """The file name of the second image matches the exact name of the first."""
    assert assign_image_ids(["a.jpg", "sub/a.jpg"], {"a.jpg": 10, "b.jpg": 20}) == [10, 21]
    assert assign_image_ids(["x/a.jpg", "y/a.jpg"], {"x/a.jpg": 10, "z/a.jpg": 20}) == [10, 21]
    assert assign_image_ids(["a%20b.jpg", "a b.jpg"], {"a%20b.jpg": 10, "a b.jpg": 20}) == [10, 20]


def test_matching_many_names_needs_little_time_and_memory() -> None:
    names = [f"sub/{number:06}.jpg" for number in range(20_000)]
    entries = {f"C:\\all\\{number:06}.jpg": number for number in range(20_000)}
    assert assign_image_ids(names, entries) == list(range(20_000))
