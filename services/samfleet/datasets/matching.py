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
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

MOST_PARTS = 8
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
ROBOFLOW_SUFFIX = re.compile(r"^(.+)_(jpe?g|png|webp|bmp|tiff?)\.rf\.\w+\.\w+$", re.IGNORECASE)

Key = Callable[[str], str | None]
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
    """The ids of the entries that match, by image name."""
    matched = {name: annotated[name] for name in names if name in annotated}
    taken = set(matched.values())
    for of_image, of_entry in _rules():
        if len(matched) == len(names) or len(taken) == len(annotated):
            break
        images = _unique((of_image(name), name) for name in names)
        entries = _unique(_entry_keys(annotated, originals, of_entry))
        for key, name in images.items():
            image_id = entries.get(key)
            if image_id is not None and image_id not in taken and name not in matched:
                matched[name] = image_id
                taken.add(image_id)
    return matched


def _rules() -> Iterator[tuple[Key, Key]]:
    """The key of an image's name, and of an entry's, for each rule after the first."""
    yield _path, _entry_path
    for parts in range(MOST_PARTS, 0, -1):
        yield partial(_last_parts, _path, parts), partial(_last_parts, _entry_path, parts)
    yield _last, _unmarked
    yield (lambda name: _last(name).casefold()), (lambda name: _entry_path(name).rpartition("/")[2].casefold())


def _entry_keys(
    annotated: Mapping[str, int], originals: Mapping[int, str], key: Key
) -> Iterator[tuple[str | None, int]]:
    for name, image_id in annotated.items():
        original = originals.get(image_id) if key is _unmarked else None
        yield _last(original) if original else key(name), image_id


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
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")


def _entry_path(name: str) -> str:
    path = _path(name)
    if "://" in path or path.startswith("/data/"):
        address = urlsplit(path)
        path = parse_qs(address.query).get("d", [""])[0] or address.path.lstrip("/")
    return unicodedata.normalize("NFC", unquote(path))


def _last_parts(path_of: Callable[[str], str], parts: int, name: str) -> str | None:
    split = path_of(name).split("/")
    return "/".join(split[-parts:]) if len(split) >= parts else None


def _last(name: str) -> str:
    return _path(name).rpartition("/")[2]


def _unmarked(name: str) -> str:
    """The file name as it was before a tool exported it."""
    last = UPLOAD_PREFIX.sub("", _entry_path(name).rpartition("/")[2])
    return ROBOFLOW_SUFFIX.sub(r"\1.\2", last)
