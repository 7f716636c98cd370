"""Matching of a dataset's images to the entries of an annotations file, which give them their COCO ids.

An image's name is its path relative to the dataset. Annotation tools write names differently, so names are compared by
the rules below, the strictest first. A rule matches an image and an entry only if exactly one image of the dataset and
exactly one entry of the file have the same key; ambiguous ones stay unmatched.

1. The exact name.
2. The path: in Unicode form NFC, with '/' for a backslash, without a leading './'. For an entry with a URL, the path
   after the host; for Label Studio's local files, the value of `?d=`; percent escapes such as '%20' are decoded.
3. The last eight parts of the path, then the last seven, and so on down to the file name.
4. The file name without the additions of a tool: Label Studio's prefix of eight hexadecimal digits and a dash
   (`1a2b3c4d-photo.jpg`), Roboflow's suffix (`photo_jpg.rf.0123abcd.jpg`); or the name that Roboflow gives in `extra`.
5. The file name, ignoring case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

MOST_PARTS = 8
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
ROBOFLOW_SUFFIX = re.compile(r"^(.+)_(jpe?g|png|webp|bmp|tiff?)\.rf\.\w+\.\w+$", re.IGNORECASE)

Value = TypeVar("Value", str, int)


def assign_image_ids(
    names: Sequence[str], annotated: Mapping[str, int] | None, originals: Mapping[int, str] | None = None
) -> Sequence[int]:
    """Return the ids for `names`, which are in the dataset's order.

    Without annotations the ids are 1, 2, 3, …. With them (`annotated`: id by file name, `originals`: file name before
    an export, by id), an image gets the id of the matching entry. Unmatched images get ids above the largest one of the
    file, so they are never taken for annotated ones.
    """
    if annotated is None:
        return range(1, len(names) + 1)
    matched = match_names(names, annotated, originals or {})
    following = max(annotated.values(), default=0) + 1
    ids: list[int] = []
    for name in names:
        if name in matched:
            ids.append(matched[name])
        else:
            ids.append(following)
            following += 1
    return ids


def match_names(names: Sequence[str], annotated: Mapping[str, int], originals: Mapping[int, str]) -> dict[str, int]:
    """Return the ids of the matching entries by image name.

    Nearly all of a million images match exactly. The other rules all compare file names, so they only look at images
    and entries with the file name of an unmatched image.
    """
    matched = {name: annotated[name] for name in names if name in annotated}
    taken = set(matched.values())
    wanted = {_folded(_path(name)) for name in names if name not in matched}
    images = [(name, path) for name in names if _folded(path := _path(name)) in wanted]
    entries = [
        entry
        for entry in (_Entry.of(name, image_id, originals) for name, image_id in annotated.items())
        if _folded(entry.path) in wanted or entry.original.casefold() in wanted
    ]
    if not images or not entries:
        return matched
    deepest = min(max(path.count("/") for _, path in images), max(entry.path.count("/") for entry in entries)) + 1
    for of_image, of_entry in _rules(min(deepest, MOST_PARTS)):
        ids = _unique((of_entry(entry), entry.image_id) for entry in entries)
        for key, name in _unique((of_image(path), name) for name, path in images).items():
            image_id = ids.get(key)
            if image_id is not None and image_id not in taken and name not in matched:
                matched[name] = image_id
                taken.add(image_id)
    return matched


class _Entry(NamedTuple):
    """Keys of an entry for the rules; `original` is its file name before a tool exported it."""

    image_id: int
    path: str
    original: str

    @classmethod
    def of(cls, name: str, image_id: int, originals: Mapping[int, str]) -> Self:
        path = _entry_path(name)
        given = originals.get(image_id)
        return cls(image_id, path, _unmarked(_last(path)) if given is None else _last(_path(given)))


def _rules(most_parts: int) -> Iterator[tuple[Callable[[str], str | None], Callable[[_Entry], str | None]]]:
    """Yield the key functions of each rule after the first: for an image's path and for an entry."""
    yield (lambda path: path), (lambda entry: entry.path)
    for parts in range(most_parts, 0, -1):
        yield partial(_last_parts, parts), partial(_last_parts_of, parts)
    yield _last, (lambda entry: entry.original)
    yield _folded, (lambda entry: _folded(entry.path))


def _unique(pairs: Iterable[tuple[str | None, Value]]) -> dict[str, Value]:
    """Return values by key, without the keys that occur twice."""
    found: dict[str, Value] = {}
    repeated: set[str] = set()
    for key, value in pairs:
        if key is None:
            continue
        if key in found:
            repeated.add(key)
        found[key] = value
    for key in repeated:
        del found[key]
    return found


def _path(name: str) -> str:
    return _nfc(name).replace("\\", "/").removeprefix("./")


def _entry_path(name: str) -> str:
    path = _path(name)
    if "://" in path or path.startswith("/data/"):
        address = urlsplit(path)
        path = parse_qs(address.query).get("d", [""])[0] or address.path.lstrip("/")
    return _nfc(unquote(path))


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _last_parts(parts: int, path: str) -> str | None:
    if parts == 1:
        return _last(path)
    split = path.rsplit("/", parts)
    return "/".join(split[-parts:]) if len(split) >= parts else None


def _last_parts_of(parts: int, entry: _Entry) -> str | None:
    return _last_parts(parts, entry.path)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _folded(path: str) -> str:
    return _last(path).casefold()


def _unmarked(last: str) -> str:
    return ROBOFLOW_SUFFIX.sub(r"\1.\2", UPLOAD_PREFIX.sub("", last))
