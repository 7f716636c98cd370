"""Which COCO id each image of a dataset gets: the one that the annotations give its name.

An image's name is its path relative to the dataset. Tools write names in their own ways, so they are compared by the
rules below, the strictest first. A rule matches an image and an entry only where exactly one image of the dataset and
exactly one entry of the file have the same key: what is ambiguous stays unmatched.

1. The name as it is.
2. The path: in Unicode's form NFC, with '/' for a backslash, without a leading './'. Of an entry that is an address,
   the part behind the host; of Label Studio's local files, what `?d=` names; '%20' and the like are decoded.
3. The last eight parts of the path, then the last seven, and so on down to the file name alone.
4. The file name without what a tool added to it: Label Studio's eight hexadecimal digits and a dash before it
   (`1a2b3c4d-photo.jpg`), Roboflow's suffix (`photo_jpg.rf.0123abcd.jpg`); or the name that Roboflow gives in `extra`.
5. The file name in any case.
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
) -> list[int]:
    """Ids for `names`, which are in the dataset's order.

    Without annotations 1, 2, 3, …. With them (`annotated`: id by file name, `originals`: names of before an export, by
    id) the id of the entry that matches; images that stay unmatched get the ids after the largest of the file, so they
    can never be taken for an annotated one.
    """
    if annotated is None:
        return list(range(1, len(names) + 1))
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
    """The ids of the entries that match, by image name.

    Every rule compares file names at least, so only images and entries that share one with an unmatched image are
    looked at more closely: of a million images nearly all match as they are.
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
    """What the rules compare of an entry; `original` is its file name as it was before a tool exported it."""

    image_id: int
    path: str
    original: str

    @classmethod
    def of(cls, name: str, image_id: int, originals: Mapping[int, str]) -> Self:
        path = _entry_path(name)
        given = originals.get(image_id)
        return cls(image_id, path, _unmarked(_last(path)) if given is None else _last(_path(given)))


def _rules(most_parts: int) -> Iterator[tuple[Callable[[str], str | None], Callable[[_Entry], str | None]]]:
    """The key of an image's path, and of an entry, for each rule after the first."""
    yield (lambda path: path), (lambda entry: entry.path)
    for parts in range(most_parts, 0, -1):
        yield partial(_last_parts, parts), partial(_last_parts_of, parts)
    yield _last, (lambda entry: entry.original)
    yield _folded, (lambda entry: _folded(entry.path))


def _unique(pairs: Iterable[tuple[str | None, Value]]) -> dict[str, Value]:
    """Values by key; a key that occurs twice is left out."""
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
