"""Which COCO id each image of a dataset gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def assign_image_ids(names: Sequence[str], annotated: Mapping[str, int] | None) -> list[int]:
    """Ids for `names`, which are in the dataset's order.

    Without annotations 1, 2, 3, …. With them (`annotated`: id by file name) the id of the same relative path, else of
    the same last part where exactly one image and one entry have it; images that stay unmatched get the ids after
    the largest of the file, so they can never be taken for an annotated one.
    """
    if annotated is None:
        return list(range(1, len(names) + 1))
    matched = match_names(names, annotated)
    following = max(annotated.values(), default=0) + 1
    ids: list[int] = []
    for name in names:
        if name in matched:
            ids.append(matched[name])
        else:
            ids.append(following)
            following += 1
    return ids


def match_names(names: Sequence[str], annotated: Mapping[str, int]) -> dict[str, int]:
    exact = {name: annotated[name] for name in names if name in annotated}
    rest = [name for name in names if name not in exact]
    entries = [name for name in annotated if name not in exact]
    images_by_last, entries_by_last = Counter(map(_last, rest)), Counter(map(_last, entries))
    entry_of = {_last(entry): entry for entry in entries}
    for name in rest:
        last = _last(name)
        if images_by_last[last] == 1 and entries_by_last[last] == 1:
            exact[name] = annotated[entry_of[last]]
    return exact


def _last(name: str) -> str:
    return name.rpartition("/")[2]
