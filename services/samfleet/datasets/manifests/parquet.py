"""Manifests as Parquet tables, read some rows at a time. They need pyarrow, which is an extra."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from samfleet.datasets.manifests.entries import ManifestLine, line_of, require_known
from samfleet.datasets.manifests.errors import ManifestInvalid, ManifestLibraryMissing

ROWS_AT_ONCE = 1000
MAX_GROUP_BYTES = 2**28  # before compression; a reader may need a whole row group in memory
COPY_BYTES = 2**20


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
            table = table_of(copy, pre_buffer=False)
            _check(table)
            for batch in table.iter_batches(ROWS_AT_ONCE, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield line_of(number, row)
        except (arrow.ArrowException, OSError) as error:
            raise ManifestInvalid(
                f"row {number + 1}: the Parquet file cannot be read ({error}); write it again"
            ) from error


def _check(table: Any) -> None:
    names = table.schema_arrow.names
    require_known(1, names)
    if "image" not in names:
        raise ManifestInvalid("the Parquet file has no column image")
    for index in range(table.metadata.num_row_groups):
        size = table.metadata.row_group(index).total_byte_size
        if size > MAX_GROUP_BYTES:
            raise ManifestInvalid(
                f"row group {index} of the Parquet file has {size} bytes, more than {MAX_GROUP_BYTES}; write smaller "
                "groups"
            )


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
