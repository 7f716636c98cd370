"""Sizes of Parquet tables in memory, which a file of a few bytes may state as it likes: equal values take no space.

Texts are therefore read as dictionaries, which hold each text once, and rows become Python objects only when their size
is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from samfleet.datasets.manifests.errors import ManifestInvalid

MAX_GROUP_BYTES = 2**28  # of a row group before compression and encoding; a reader may need it whole in memory
MAX_ROW_BYTES = 2**18  # of a row in memory; a line of JSON has at most 64 KiB
_TEXTS = "BYTE_ARRAY"
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, _TEXTS: 4}  # of texts: indices


def texts_of(schema: Any) -> list[str]:
    """Return the paths of the columns of texts in a `ParquetSchema`, also of those within lists and structs."""
    leaves = (schema.column(index) for index in range(len(schema)))
    return [leaf.path for leaf in leaves if leaf.physical_type == _TEXTS]


def check_groups(metadata: Any) -> None:
    """Raise `ManifestInvalid` for a row group that is too large to read."""
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        leaves = [(group.column(n), metadata.schema.column(n)) for n in range(group.num_columns)]
        decoded = sum(chunk.num_values * _WIDTHS.get(leaf.physical_type, leaf.length) for chunk, leaf in leaves)
        size = max(group.total_byte_size, decoded)
        if size > MAX_GROUP_BYTES:
            raise ManifestInvalid(
                f"row group {index} of the Parquet file has {size} bytes, more than {MAX_GROUP_BYTES}; write smaller "
                "groups"
            )


def rows_of(batch: Any, number: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch, of which the first has this number. Raises `ManifestInvalid` for a row too large."""
    if sum(map(_size, batch.columns)) <= MAX_ROW_BYTES:
        yield from batch.to_pylist(maps_as_pydicts="strict")
        return
    if batch.num_rows == 1:
        raise ManifestInvalid(f"row {number}: more than {MAX_ROW_BYTES} bytes; leave some of its objects out")
    half = batch.num_rows // 2
    yield from rows_of(batch.slice(0, half), number)
    yield from rows_of(batch.slice(half), number + half)


def _size(array: Any) -> int:
    """Return the bytes of the values of an array, also of those within lists and structs."""
    import pyarrow as pa
    from pyarrow import compute

    if isinstance(array, pa.DictionaryArray):
        lengths = compute.take(compute.binary_length(array.dictionary), array.indices)
        return int(compute.sum(lengths, min_count=0).as_py() + array.indices.nbytes)
    if isinstance(array, pa.StructArray):
        return sum(map(_size, array.flatten()))
    if isinstance(array, pa.MapArray):  # whose keys and items are those of all rows, also of a slice
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return sum(map(_size, (part.slice(start, end - start) for part in (array.keys, array.items))))
    if isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return 8 * len(array) + _size(array.flatten())
    return int(array.nbytes)
