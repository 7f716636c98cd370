"""Prompts, metadata and ids of manifests in tables that pyarrow writes, and in CSV files."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from samfleet.datasets.manifests.entries import ManifestLine
from samfleet.datasets.manifests.errors import ManifestInvalid
from samfleet.datasets.manifests.lines import read_lines
from samfleet.datasets.prompt_lines import PromptsInvalid, check_line

arrow = pytest.importorskip("pyarrow")
files = pytest.importorskip("pyarrow.parquet")

LINES: list[dict[str, Any]] = [
    {"image": "a.jpg", "id": 7, "objects": [{"id": 1, "category": "jar", "box": [1.5, 2, 3, 4]}]},
    {"image": "b.jpg", "coordinates": "relative"},
    {
        "image": "c.jpg",
        "objects": [
            {"id": 2, "points": [[0.5, 0.25], [0.75, 0.5]], "labels": [1, 0]},
            {"id": 3, "category": "lid", "prompts": [{"box": [0, 0, 1, 1]}, {"points": [[0.5, 0.5]]}]},
        ],
        "coordinates": "relative",
        "metadata": {"camera": "left"},
    },
    {"image": "d.jpg", "objects": []},
]


def read(table: Any, **options: Any) -> list[ManifestLine]:
    sink = io.BytesIO()
    files.write_table(table, sink, **options)
    sink.seek(0)
    return list(read_lines(sink, "parquet"))


def typed(numbers: Any, texts: Any) -> Any:
    """Return a schema of the columns with these types of coordinates and texts."""
    prompt = [
        ("points", arrow.list_(arrow.list_(numbers, 2))),
        ("labels", arrow.list_(arrow.uint8())),
        ("box", arrow.list_(numbers)),
        ("multimask", arrow.bool_()),
    ]
    prompts = ("prompts", arrow.list_(arrow.struct(prompt)))
    found = arrow.large_list(arrow.struct([("id", arrow.int16()), ("category", texts), *prompt, prompts]))
    metadata = arrow.map_(texts, texts)
    return arrow.schema(
        {"image": texts, "id": arrow.int32(), "objects": found, "coordinates": texts, "metadata": metadata}
    )


def rows(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**line, "metadata": list(line["metadata"].items()) if "metadata" in line else None} for line in lines]


def as_json_lines(lines: list[dict[str, Any]]) -> list[ManifestLine]:
    return list(read_lines(io.BytesIO("\n".join(map(json.dumps, lines)).encode()), "jsonl"))


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        (arrow.float64(), arrow.string()),
        (arrow.float32(), arrow.dictionary(arrow.int8(), arrow.string())),
        (arrow.float32(), arrow.large_string()),
    ],
)
def test_a_table_has_the_prompts_of_json_lines(numbers: Any, texts: Any) -> None:
    table = arrow.Table.from_pylist(rows(LINES), schema=typed(numbers, texts))
    assert read(table) == as_json_lines(LINES)
    assert read(table, row_group_size=1, compression="zstd", data_page_version="2.0") == as_json_lines(LINES)


def test_whole_numbers_are_coordinates_and_inferred_structs_are_read() -> None:
    whole = [{"image": "a.jpg", "objects": [{"id": 1, "box": [1, 2, 3, 4]}, {"id": 2, "points": [[5, 6]]}]}]
    assert read(arrow.Table.from_pylist(whole)) == as_json_lines(whole)
    integers = arrow.Table.from_pylist(whole, schema=typed(arrow.int32(), arrow.string()))
    assert read(integers) == as_json_lines(whole)


def test_objects_and_metadata_may_be_json_in_tables_and_csv() -> None:
    stated = [line for line in LINES if "objects" in line]
    texts = [
        {
            "coordinates": None,
            **line,
            "objects": json.dumps(line["objects"], indent=1),
            "metadata": json.dumps(line.get("metadata") or {}),
        }
        for line in stated
    ]
    sink = io.StringIO()
    writer = csv.DictWriter(sink, ["image", "id", "objects", "coordinates", "metadata"])
    writer.writeheader()
    writer.writerows(texts)
    expected = as_json_lines([{**line, "metadata": line.get("metadata") or {}} for line in stated])
    found = list(read_lines(io.BytesIO(sink.getvalue().encode()), "csv"))
    for one, other, line in zip(found, read(arrow.Table.from_pylist(texts)), expected, strict=True):
        assert one.prompts is not None
        assert line.prompts is not None
        assert (one.image, one.id, one.metadata) == (line.image, line.id, line.metadata)
        assert one.prompts.objects == line.prompts.objects
        assert other == line


def test_what_pandas_adds_is_understood() -> None:
    table = arrow.table({"image": ["a.jpg", "b.jpg"], "id": [7.0, None], "__index_level_0__": [3, 4]})
    assert read(table) == [ManifestLine(1, "a.jpg", "7"), ManifestLine(2, "b.jpg")]


def repeated(count: int, texts: int) -> Any:
    """Return a table of one image with `count` equal boxes, and of others with a long text that is stored once."""
    import numpy as np

    boxes = arrow.FixedSizeListArray.from_arrays(arrow.array(np.zeros(4 * count, np.float32)), 4)
    objects = arrow.StructArray.from_arrays([arrow.array(np.zeros(count, np.int32)), boxes], ["id", "box"])
    found = arrow.ListArray.from_arrays(arrow.array([0, count] + [count] * (texts - 1)), objects)
    words = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(texts, np.int32)), arrow.array(["x" * 2**20]))
    return arrow.table({"image": words, "objects": found})


def test_equal_values_that_take_no_space_in_the_file_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many, long = repeated(20_000, 1).select(["objects"]), repeated(1, 500).select(["image"])
    many = many.append_column("image", arrow.array(["a.jpg"]))
    for table in (many, long):
        sink = io.BytesIO()
        files.write_table(table, sink, dictionary_pagesize_limit=2**22)
        assert sink.tell() < 100_000
        with pytest.raises(ManifestInvalid, match="row 1: more than 262144 bytes"):
            read(table, dictionary_pagesize_limit=2**22)
    monkeypatch.setattr("samfleet.datasets.manifests.parquet_sizes.MAX_GROUP_BYTES", 2**18)
    with pytest.raises(ManifestInvalid, match="row group 0 of the Parquet file has 400004 bytes"):
        read(many)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([[None]], "line 1, objects.0.: an object must be"),
        ([[{"id": 1, "box": [float("nan"), 0.0, 1.0, 1.0]}]], "line 1, .* box must be four numbers"),
        ([[{"id": 1, "box": [1.0, 2.0, 3.0]}]], "line 1, .* box must be four numbers"),
        ([[{"id": None, "box": [1.0, 2.0, 3.0, 4.0]}]], "line 1, objects.0.: id must be"),
        ([[{"id": 1, "box": [1.0, 2.0, 3.0, 4.0], "score": 0.5}]], "line 1, .* unknown member 'score'"),
    ],
)
def test_wrong_prompts_of_a_table_name_the_row(objects: list[Any], message: str) -> None:
    with pytest.raises(PromptsInvalid, match=message):
        read(arrow.table({"image": ["a.jpg"], "objects": objects}))


def test_columns_are_unique() -> None:
    table = arrow.Table.from_arrays([arrow.array(["a.jpg"]), arrow.array(["b.jpg"])], names=["image", "image"])
    with pytest.raises(ManifestInvalid, match="a column twice"):
        read(table)


def test_null_members_are_missing_ones() -> None:
    stated = {"file_name": "a.jpg", "objects": [{"id": 1, "box": [1, 2, 3, 4]}]}
    nulls = dict.fromkeys(("category", "category_id", "points", "labels", "mask", "multimask", "prompts"))
    with_nulls = {**stated, "image_id": None, "coordinates": None, "objects": [{**nulls, "id": 1, "box": [1, 2, 3, 4]}]}
    assert check_line("line 1", with_nulls) == check_line("line 1", stated)
