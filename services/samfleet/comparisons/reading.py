"""Reading of the parts of two runs side by side, image by image in the order of the dataset."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Shard
from samfleet.storage.jsonl import PartFileDamaged, read_jsonl_zst
from samfleet.storage.store import ObjectStore

Row = Mapping[str, Any]  # a line of a part (`samfleet.jobs.parts.part_row`)


class PartOfRun(NamedTuple):
    """A part, with the positions of its first and last image (inclusive)."""

    key: str
    first: int
    last: int


class Place(NamedTuple):
    """A position of the dataset with the lines of both runs; None where a run has no result."""

    position: int
    a: Row | None
    b: Row | None


def parts_of(session: Session, run_id: uuid.UUID) -> Sequence[PartOfRun]:
    """Return the parts that the results of a run are in, in the order of the dataset."""
    query = select(Shard.part_key, Shard.first_position, Shard.last_position)
    rows = session.execute(query.where(Shard.run_id == run_id, Shard.part_key.is_not(None)).order_by(Shard.index))
    return [PartOfRun(str(key), first, last) for key, first, last in rows]


def side_by_side(
    store: ObjectStore, parts_a: Sequence[PartOfRun], parts_b: Sequence[PartOfRun], start: int = 0
) -> Iterator[Place]:
    """Yield the places from the position `start` on at which a run has a result. One line of each run is in memory.

    The runs' parts may be cut at different positions. Raises `PartFileDamaged`.
    """
    rows_a, rows_b = _rows_from(store, parts_a, start), _rows_from(store, parts_b, start)
    a, b = next(rows_a, None), next(rows_b, None)
    while a is not None or b is not None:
        position = min(one[0] for one in (a, b) if one is not None)
        here_a = a[1] if a is not None and a[0] == position else None
        here_b = b[1] if b is not None and b[0] == position else None
        yield Place(position, here_a, here_b)
        if here_a is not None:
            a = next(rows_a, None)
        if here_b is not None:
            b = next(rows_b, None)


def _rows_from(store: ObjectStore, parts: Sequence[PartOfRun], start: int) -> Iterator[tuple[int, Row]]:
    """Yield lines with their positions. A part has a line for each position of its shard."""
    for part in parts:
        if part.last < start:
            continue
        position = part.first
        for row in read_jsonl_zst(store, part.key):
            if position >= start:
                yield position, row
            position += 1
        if position != part.last + 1:
            raise PartFileDamaged(
                f"part {part.key!r} has {position - part.first} lines for {part.last - part.first + 1} images; "
                "retry the shard that wrote it"
            )
