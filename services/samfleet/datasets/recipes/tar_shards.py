"""Shards of SA-1B: tar files with `sa_<number>.jpg` and `sa_<number>.json` for each image.

A JSON has `image` (image_id, width, height, file_name) and `annotations` with run lengths, without categories.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from samfleet.datasets.recipes.errors import DatasetFilesMissing, DatasetSourceInvalid
from samfleet.datasets.recipes.files import Transfers
from samfleet.datasets.recipes.layouts import Entry, Materials, SourceFile, file_name, integer, readable

MEMBER = re.compile(r"(?:\./)?(?:sa_\d+/)?sa_(\d+)\.(jpg|json)")
OBJECT = {"id": 1, "name": "object"}


class Pair(NamedTuple):
    """The two members of an image in the shard at `path`."""

    path: Path
    shard: tarfile.TarFile
    picture: tarfile.TarInfo
    masks: tarfile.TarInfo


class TarShards:
    parallel = 1

    def __init__(self, shards: Mapping[Path, tarfile.TarFile], transfers: Transfers) -> None:
        self._paths = list(shards)
        self._transfers = transfers
        self._pairs = {number: pair for path, shard in shards.items() for number, pair in _pairs(path, shard)}

    def files(self) -> Sequence[SourceFile]:
        return [SourceFile.of(path) for path in self._paths]

    def image_ids(self) -> Collection[int]:
        return self._pairs.keys()

    def images(self, chosen: Collection[int]) -> Iterator[Entry]:
        for number in sorted(chosen):
            image = self._document(number)["image"]
            size = {name: integer(image, name, f"sa_{number}.json") for name in ("width", "height")}
            yield {"id": number, **size, "file_name": file_name(image.get("file_name"), f"sa_{number}.json")}

    def annotations(self, chosen: Collection[int]) -> Iterator[Entry]:
        for number in sorted(chosen):
            for one in self._document(number)["annotations"]:
                if not isinstance(one, dict):
                    raise DatasetSourceInvalid(f"sa_{number}.json: an annotation is no object")
                yield {**one, "image_id": number, "category_id": OBJECT["id"], "iscrowd": 0}

    def categories(self) -> Sequence[Entry]:
        return [OBJECT]

    def fetch(self, image: Entry, target: Path) -> None:
        pair = self._pairs[image["id"]]
        with readable(pair.path):
            file = pair.shard.extractfile(pair.picture)
            if file is None:
                raise DatasetSourceInvalid(f"{pair.path}: {pair.picture.name} is no file")
            with file:
                self._transfers.copy(file, pair.picture.size, target)

    def _document(self, number: int) -> Any:
        pair = self._pairs[number]
        with readable(pair.path):
            file = pair.shard.extractfile(pair.masks)
            content = b"" if file is None else file.read()
        try:
            document = json.loads(content)
        except ValueError as error:
            raise DatasetSourceInvalid(f"{pair.path}: {pair.masks.name} is not JSON ({error})") from error
        if not (isinstance(document, dict) and {"image", "annotations"} <= set(document)):
            raise DatasetSourceInvalid(f"{pair.path}: {pair.masks.name} has no image and annotations")
        return document


@contextmanager
def open_tar_shards(materials: Materials) -> Iterator[TarShards]:
    recipe, given = materials.recipe, materials.given
    paths = sorted(given.glob("*.tar")) if given else []
    if not paths:
        where = given or "a folder"
        raise DatasetFilesMissing(
            f"{recipe.name} needs shards (*.tar) in {where}: {recipe.by_hand} ({recipe.page}), and name the folder "
            "with --from"
        )
    with ExitStack() as opened:
        shards = {}
        for path in paths:
            with readable(path):
                shards[path] = opened.enter_context(tarfile.open(path))
                shards[path].getmembers()
        yield TarShards(shards, materials.transfers)


def _pairs(path: Path, shard: tarfile.TarFile) -> Iterator[tuple[int, Pair]]:
    """Yield the images that have both members, by number; other members are no images of the dataset."""
    members: dict[int, dict[str, tarfile.TarInfo]] = {}
    for member in shard.getmembers():
        found = MEMBER.fullmatch(member.name)
        if found and member.isfile():
            members.setdefault(int(found[1]), {})[found[2]] = member
    for number, kinds in members.items():
        if len(kinds) == 2:  # noqa: PLR2004 - the picture and its masks
            yield number, Pair(path, shard, kinds["jpg"], kinds["json"])
