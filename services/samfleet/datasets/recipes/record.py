"""Records of recipes: differences between datasets are data here, never a branch on a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layout = Literal["images_by_url", "zip_of_sets", "videos", "tar_shards"]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at the address where its authors publish it.

    `size_bytes` and `md5` are None where no reliable source states them: the first download is pinned.
    """

    url: str
    size_bytes: int | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One dataset.

    `layout` names the reader of `samfleet.datasets.recipes.layouts`. `archive` is the file to download, None if a
    person must get the files. `member` is the place of the annotations: in the archive, or in the folder given by hand;
    `frames` that of the images, if they are not beside the annotations. `images` is their number, None if it depends on
    the files. `terms` are names of `samfleet.licences.OF_DATASETS`, to be accepted before anything is fetched;
    `licence` and `page` are for people. `by_hand` says what a person must do first; empty if nothing.
    """

    name: str
    title: str
    version: str
    layout: Layout
    licence: str
    page: str
    terms: tuple[str, ...]
    images: int | None = None
    archive: RemoteFile | None = None
    member: str = ""
    frames: str = ""
    by_hand: str = ""
