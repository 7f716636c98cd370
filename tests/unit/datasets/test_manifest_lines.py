"""Lines of manifests; an error names the line."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from samfleet.datasets.manifests import parquet_sizes
from samfleet.datasets.manifests.entries import MAX_LINE_BYTES, ManifestLine
from samfleet.datasets.manifests.errors import ManifestFormatUnknown, ManifestInvalid, ManifestLibraryMissing
from samfleet.datasets.manifests.lines import Format, format_of, read_lines


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


def test_metadata_is_an_object_or_its_json() -> None:
    metadata = {"camera": "left", "size": [1, 2.5], "ü": {"deep": None}, "path": "C:\\u0000"}
    (line,) = lines(json.dumps({"image": "a.jpg", "metadata": metadata}))
    assert line.metadata == metadata
    assert lines('image,metadata\na.jpg,"{""camera"": 7}"\nb.jpg,\n', "csv") == [
        ManifestLine(2, "a.jpg", metadata={"camera": 7}),
        ManifestLine(3, "b.jpg"),
    ]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("[1]", "metadata is not an object"),
        ("7", "metadata is not an object"),
        ('"x"', "metadata is not valid JSON"),
        ('"[1]"', "metadata is not an object"),
        ('{"a": NaN}', "metadata has NaN"),
        ('{"a": 1e999}', "metadata has NaN"),
        ('{"a": "\\ud800"}', "metadata has NaN"),
        ('{"a": "\\u0000"}', "metadata has a NUL character"),
        ('{"a": "' + "x" * 4090 + '"}', "metadata has 4098 bytes as JSON, more than 4096"),
    ],
)
def test_faults_of_metadata(metadata: str, message: str) -> None:
    with pytest.raises(ManifestInvalid, match=f"line 1: {message}"):
        lines(f'{{"image": "a.jpg", "metadata": {metadata}}}')


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


def table(rows: list[dict[str, Any]], **options: Any) -> bytes:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    sink = io.BytesIO()
    files.write_table(arrow.Table.from_pylist(rows), sink, **options)
    return sink.getvalue()


def test_a_parquet_table_is_read_by_row_groups() -> None:
    rows = [{"image": f"{number}.jpg", "id": number, "metadata": {"camera": number % 2}} for number in range(2500)]
    found = lines(table(rows, row_group_size=900), "parquet")
    assert found[1234] == ManifestLine(1235, "1234.jpg", "1234", metadata={"camera": 0})
    assert len(found) == 2500
    assert lines(table([{"image": "a.jpg", "metadata": '{"b": 1}'}]), "parquet")[0].metadata == {"b": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1}], "the Parquet file has no column image"),
        ([{"image": "a", "colour": 1}], "line 1: 'colour' is not known"),
        ([{"image": "a"}, {"image": None}], "line 2: no image"),
        ([{"image": b"a"}], "line 1: image is not a text"),
        ([{"image": "a", "id": "b"}, {"image": "a", "id": "x" * 2**18}], "row 2: more than 262144 bytes"),
        ([{"image": "a", "metadata": {"at": datetime(2026, 1, 1, tzinfo=UTC)}}], "line 1: metadata has .* JSON lacks"),
    ],
)
def test_faults_of_parquet(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ManifestInvalid, match=message):
        lines(table(rows), "parquet")


def test_files_that_are_no_parquet_or_have_huge_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = table([{"image": "a.jpg"}])
    for data in (b"", b"image\na.jpg\n", good[:-6], good[:4] + bytes(len(good) - 12) + good[-8:]):
        with pytest.raises(ManifestInvalid, match="the Parquet file cannot be read"):
            lines(data, "parquet")
    monkeypatch.setattr(parquet_sizes, "MAX_GROUP_BYTES", 10)
    with pytest.raises(ManifestInvalid, match="row group 0 of the Parquet file has"):
        lines(good, "parquet")


def test_a_server_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ManifestLibraryMissing, match=r"pip install 'samfleet\[parquet\]'"):
        lines(b"", "parquet")


def test_the_format_is_stated_or_that_of_the_suffix() -> None:
    assert [format_of(name) for name in ("a.jsonl", "b.NDJSON", "s3://c/d.csv")] == ["jsonl", "jsonl", "csv"]
    assert format_of("list.txt", "csv") == "csv"
    with pytest.raises(ManifestFormatUnknown, match=r"'list.txt' ends in none of .jsonl, .ndjson, .csv"):
        format_of("list.txt")
