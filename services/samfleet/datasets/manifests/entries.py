"""Entries of manifests: what a line, or a row of a table, says about an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samfleet.datasets.manifests.errors import ManifestInvalid
from samfleet.datasets.manifests.line_prompts import prompts_of
from samfleet.datasets.manifests.metadata import metadata_of

if TYPE_CHECKING:
    from samfleet.datasets.prompt_lines import ImagePrompts

MEMBERS = ("image", "id", "file_name", "etag", "metadata", "objects", "coordinates")
MAX_LINE_BYTES = 2**16
MAX_ID_CHARACTERS = 255
MAX_ETAG_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One image: `image` is a path or an address; the other members are None unless the line states them."""

    number: int  # from 1, as editors count
    image: str
    id: str | None = None
    file_name: str | None = None
    etag: str | None = None
    metadata: Mapping[str, Any] | None = None
    prompts: ImagePrompts | None = None


def line_of(number: int, entry: Mapping[str, Any]) -> ManifestLine:
    """Return the image that an entry describes. Raises `ManifestInvalid` or `PromptsInvalid`, which name the line."""
    require_known(number, entry)
    given = entry.get("id")
    if type(given) is int or (type(given) is float and given.is_integer()):
        entry = {**entry, "id": str(int(given))}  # pandas makes floats of whole numbers if some are missing
    return ManifestLine(
        number,
        _text(number, entry, "image") or _without_image(number),
        _text(number, entry, "id", MAX_ID_CHARACTERS),
        _text(number, entry, "file_name"),
        _text(number, entry, "etag", MAX_ETAG_CHARACTERS),
        metadata_of(number, entry.get("metadata")),
        prompts_of(number, entry),
    )


def require_known(number: int, names: Iterable[str]) -> None:
    """Raise for other members: a misspelt one would otherwise be ignored."""
    for name in names:
        if name not in MEMBERS:
            raise ManifestInvalid(f"line {number}: {name[:60]!r} is not known; an image has {', '.join(MEMBERS)}")


def _without_image(number: int) -> str:
    raise ManifestInvalid(f"line {number}: no image; give its path or address as image")


def _text(number: int, entry: Mapping[str, Any], name: str, most: int = MAX_LINE_BYTES) -> str | None:
    value = entry.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ManifestInvalid(f"line {number}: {name} is not a text; put it in quotes")
    if len(value) > most:
        raise ManifestInvalid(f"line {number}: {name} has more than {most} characters; shorten it")
    if not value.isprintable():
        raise ManifestInvalid(f"line {number}: {name} has control characters or half a surrogate pair; remove them")
    return value
