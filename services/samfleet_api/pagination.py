"""Pagination by opaque cursors. A cursor holds the sort key of the last item, so new rows do not shift pages."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from samfleet.errors import InvalidInput

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Item = TypeVar("Item")
Key = TypeVar("Key")
Row = TypeVar("Row")


class CursorInvalid(InvalidInput):
    """The cursor does not belong to this list; start again without it."""

    code = "cursor_invalid"


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next: str | None = Field(description="Pass it as `cursor` to get the following page; null on the last one.")


Cursor = Annotated[
    str | None, Query(max_length=500, description="`next` of the previous page.", examples=["WyJwb3NpdGlvbiIsIDk5XQ"])
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of items in the page.")]


def encode_cursor(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, read: Callable[[Sequence[str | int]], Key]) -> Key | None:
    """Decode a cursor and convert its parts with `read`. If `read` fails, the cursor belongs to another list."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or not all(_is_plain(part) for part in parts):
            raise CursorInvalid
        return read(parts)
    except (ValueError, TypeError, IndexError, binascii.Error) as error:
        raise CursorInvalid from error


def cut_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[str | int]]
) -> tuple[list[Row], str | None]:
    """Cut `rows` to `limit` and return the next cursor. `rows` has up to `limit` + 1 items; the extra one shows that
    there is a next page.
    """
    kept = list(rows[:limit])
    return kept, encode_cursor(*key(kept[-1])) if len(rows) > limit else None


def number_in(part: str | int) -> int:
    """Return a position or id. Unlike `int`, it rejects strings of digits."""
    if not isinstance(part, int):
        raise CursorInvalid
    return part


def key_in_time(created_at: datetime, id_: uuid.UUID) -> tuple[str, str]:
    """Return the cursor's parts of an item of a list that is ordered newest first."""
    return created_at.isoformat(), str(id_)


def place_in_time(parts: Sequence[str | int]) -> tuple[datetime, uuid.UUID]:
    """Return the sort key of lists ordered newest first, (created_at, id), from the parts of `key_in_time`."""
    moment, id_ = parts
    created_at = datetime.fromisoformat(str(moment))
    if created_at.tzinfo is None:
        raise CursorInvalid
    return created_at, uuid.UUID(str(id_))


def _is_plain(part: object) -> bool:
    """Accept storable text and numbers that fit a 64-bit column, but not booleans, which are ints in Python."""
    if isinstance(part, str):
        return "\x00" not in part and part.isprintable()
    return isinstance(part, int) and not isinstance(part, bool) and 0 <= part < 2**63
