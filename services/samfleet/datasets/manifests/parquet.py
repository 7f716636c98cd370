"""Manifests as Parquet tables, read some rows at a time. They need pyarrow, which is an extra."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from samfleet.datasets.manifests.entries import ManifestLine, line_of, require_known
from samfleet.datasets.manifests.errors import ManifestInvalid, ManifestLibraryMissing
from samfleet.datasets.manifests.parquet_sizes import check_groups, rows_of, texts_of

ROWS_AT_ONCE = 1000
COPY_BYTES = 2**20
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def read_parquet(file: IO[bytes]) -> Iterator[ManifestLine]:
    """Yield the images of a table; their numbers are those of its rows, from 1.

    Its index stands at the end, so the file is copied to a temporary one first. Raises `ManifestInvalid` and
    `ManifestLibraryMissing`.
    """
    arrow, table_of = _library()
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy, COPY_BYTES)
        number = 0
        try:
            texts = texts_of(table_of(copy).schema)
            table = table_of(copy, read_dictionary=texts, pre_buffer=False)
            columns = _columns(table)
            check_groups(table.metadata)
            for batch in _batches(table, columns):
                for row in rows_of(batch, number + 1):
                    number += 1
                    yield line_of(number, row)
        except (arrow.ArrowException, KeyError, OSError) as error:
            raise ManifestInvalid(
                f"row {number + 1}: the Parquet file cannot be read ({error}); write it again"
            ) from error


def _batches(table: Any, columns: list[str]) -> Iterator[Any]:
    """Yield batches of rows. None has rows of two groups, whose dictionaries Arrow does not join within lists."""
    for group in range(table.metadata.num_row_groups):
        yield from table.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=columns, use_threads=False)


def _columns(table: Any) -> list[str]:
    """Return the names of the columns, without the index that pandas adds. Raises `ManifestInvalid`."""
    names = [name for name in table.schema_arrow.names if not _PANDAS_INDEX.fullmatch(name)]
    require_known(1, names)
    if len(set(names)) < len(names):
        raise ManifestInvalid("the Parquet file has a column twice; leave one of them out")
    if "image" not in names:
        raise ManifestInvalid("the Parquet file has no column image")
    return names


def _library() -> tuple[Any, Any]:
    """Return pyarrow and its `ParquetFile`. Raises `ManifestLibraryMissing`."""
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ManifestLibraryMissing(
            "manifests as parquet need pyarrow, which the worker does not have; run pip install 'samfleet[parquet]' "
            "there, restart it, and make the dataset again"
        ) from error
    return pa, ParquetFile
