"""Lines of manifests; an error names the line."""

from __future__ import annotations

import io

import pytest

from samfleet.datasets.manifests.errors import ManifestFormatUnknown, ManifestInvalid
from samfleet.datasets.manifests.lines import MAX_LINE_BYTES, Format, ManifestLine, format_of, read_lines


def lines(text: str | bytes, form: Format = "jsonl") -> list[ManifestLine]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_lines(io.BytesIO(data), form))


def test_json_lines_have_one_image_each() -> None:
    text = '{"image": "a.jpg"}\n\n  \n{"image": "s3://b/k", "id": 7, "file_name": "k.jpg", "etag": "e"}\r\n'
    assert lines(text) == [ManifestLine(1, "a.jpg"), ManifestLine(4, "s3://b/k", "7", "k.jpg", "e")]


def test_a_byte_order_mark_and_null_members_are_ignored() -> None:
    assert lines('\ufeff{"image": "ä.jpg", "id": null, "etag": ""}') == [ManifestLine(1, "ä.jpg")]
    assert lines("\ufeffimage,id\nä.jpg,\n", "csv") == [ManifestLine(2, "ä.jpg")]


def test_csv_has_a_header_in_any_order() -> None:
    text = 'id, image\n7,a.jpg\n\n"8","b, c.jpg"\n'
    assert lines(text, "csv") == [ManifestLine(2, "a.jpg", "7"), ManifestLine(4, "b, c.jpg", "8")]


def test_files_without_lines_have_no_images() -> None:
    assert lines("") == lines("\n\n") == lines("", "csv") == lines("image\n", "csv") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"image": "a"}\n{"image"', "line 2: not valid JSON"),
        ("[" * 10_000, "line 1: not valid JSON"),
        ('{"image": "a", "id": ' + "9" * 5000 + "}", "line 1: not valid JSON"),
        ('"a.jpg"', "line 1: not an object"),
        ("{}", "line 1: no image"),
        ('{"image": ""}', "line 1: no image"),
        ('{"image": 7}', "line 1: image is not a text"),
        ('{"image": "a", "id": true}', "line 1: id is not a text"),
        ('{"image": "a", "id": 1.5}', "line 1: id is not a text"),
        ('{"image": "a", "id": "' + "x" * 256 + '"}', "line 1: id has more than 255 characters"),
        ('{"image": "a\\u0000"}', "line 1: image has control characters"),
        ('{"image": "a", "id": "\\ud800"}', "line 1: id has control characters or half a surrogate pair"),
        ('{"image": "a", "filename": "b"}', "line 1: 'filename' is not known"),
        (b'{"image": "a"}\n{"image": "\xff"}', "line 2: not UTF-8"),
        ('{"image": "a"}'.encode("utf-16"), "line 1: not UTF-8"),
        ('{"image": "' + "a" * MAX_LINE_BYTES + '"}', "line 1: more than 65536 bytes"),
    ],
)
def test_faults_of_json_lines(text: str | bytes, message: str) -> None:
    with pytest.raises(ManifestInvalid, match=message):
        lines(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\n", "line 1: 'a.jpg' is not known"),
        ("id\n1\n", "line 1: the header has no column image"),
        ("image,image\n", "line 1: the header has a column twice"),
        ("image,id\na.jpg\n", "line 2: 1 fields, but the header has 2"),
        ("image\n\na.jpg,b\n", "line 3: 2 fields, but the header has 1"),
        ('image\n"a.jpg\n', "line 2: not valid CSV"),
        ("image,id\n,7\n", "line 2: no image"),
    ],
)
def test_faults_of_csv(text: str, message: str) -> None:
    with pytest.raises(ManifestInvalid, match=message):
        lines(text, "csv")


def test_the_format_is_stated_or_that_of_the_suffix() -> None:
    assert [format_of(name) for name in ("a.jsonl", "b.NDJSON", "s3://c/d.csv")] == ["jsonl", "jsonl", "csv"]
    assert format_of("list.txt", "csv") == "csv"
    with pytest.raises(ManifestFormatUnknown, match=r"'list.txt' ends in none of .jsonl, .ndjson, .csv"):
        format_of("list.txt")
