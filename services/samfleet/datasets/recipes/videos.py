"""UVO's dense set: annotations of videos in the form of YouTube-VIS, and a folder of their frames.

A video lists the `file_names` of its frames. An annotation follows one object through its video, with one entry in
`segmentations` for each frame, null where the object is not seen. Each frame becomes a COCO image. Source of the form:
the YouTube-VIS dataset (youtube-vos.org), which UVO's kit guide names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from samfleet.datasets.json_array import iter_json_members
from samfleet.datasets.recipes.errors import DatasetFilesMissing, DatasetSourceInvalid
from samfleet.datasets.recipes.files import MAX_PIXELS, Transfers
from samfleet.datasets.recipes.layouts import Entry, Materials, SourceFile, file_name, given_path, integer, readable
from samfleet.datasets.segmentation import SegmentationInvalid, check_segmentation
from samfleet.regular_files import open_regular

OBJECT = {"id": 1, "name": "object"}  # the set is used class-agnostically


class VideoFrames:
    """Frames of videos, numbered from 1 in the order of the file, so that ids do not depend on the sample."""

    parallel = 1

    def __init__(self, document: Path, frames: Path, transfers: Transfers) -> None:
        self._document = document
        self._frames = frames
        self._transfers = transfers

    @cached_property
    def _videos(self) -> dict[int, tuple[int, Any]]:
        """Return the id of the first frame, and the entry, by video id."""
        found: dict[int, tuple[int, Any]] = {}
        following = 1
        for video in self._list("videos"):
            video_id = integer(video, "id", "videos")
            if not isinstance(video.get("file_names"), list):
                raise DatasetSourceInvalid(f"{self._document}: video {video_id} has no list file_names")
            found[video_id] = following, video
            following += len(video["file_names"])
        return found

    def files(self) -> Sequence[SourceFile]:
        return [SourceFile.of(self._document)]

    def image_ids(self) -> Collection[int]:
        return range(1, 1 + sum(len(video["file_names"]) for _, video in self._videos.values()))

    def images(self, chosen: Collection[int]) -> Iterator[Entry]:
        for first, video in self._videos.values():
            size = {name: integer(video, name, "videos") for name in ("width", "height")}
            for image_id, name in enumerate(video["file_names"], first):
                if image_id in chosen:
                    yield {"id": image_id, **size, "file_name": file_name(name, "videos"), "video_id": video["id"]}

    def annotations(self, chosen: Collection[int]) -> Iterator[Entry]:
        number = 0
        for track in self._list("annotations"):
            video_id = integer(track, "video_id", "annotations")
            if video_id not in self._videos:
                raise DatasetSourceInvalid(f"{self._document}: an annotation names the unknown video {video_id}")
            first, _ = self._videos[video_id]
            for image_id, segmentation in enumerate(track.get("segmentations") or (), first):
                number += segmentation is not None
                if segmentation is not None and image_id in chosen:
                    yield _annotation(number, image_id, track, segmentation)

    def categories(self) -> Sequence[Entry]:
        return [OBJECT]

    def fetch(self, image: Entry, target: Path) -> None:
        path = self._frames / image["file_name"]
        if not path.is_file():
            raise DatasetFilesMissing(f"the frame {path} is missing; make the frames with UVO's scripts")
        with open_regular(path) as file:
            self._transfers.copy(file, path.stat().st_size, target)

    def _list(self, wanted: str) -> Iterator[Any]:
        with readable(self._document), open_regular(self._document) as file:
            for name, entries in iter_json_members(file):
                if name == wanted and entries is not None:
                    yield from entries
                    return
        raise DatasetSourceInvalid(f"{self._document} has no list named {wanted!r}")


@contextmanager
def open_videos(materials: Materials) -> Iterator[VideoFrames]:
    recipe = materials.recipe
    document, frames = given_path(materials, recipe.member), given_path(materials, recipe.frames)
    yield VideoFrames(document, frames, materials.transfers)


def _annotation(number: int, image_id: int, track: Any, segmentation: Any) -> Entry:
    """Return the annotation of one frame, with area and box in pixels of the mask itself."""
    try:
        extent = check_segmentation(segmentation, None, MAX_PIXELS)
    except SegmentationInvalid as error:
        raise DatasetSourceInvalid(f"annotation {track.get('id')}: {error}") from error
    return {
        "id": number,
        "image_id": image_id,
        "category_id": OBJECT["id"],
        "iscrowd": int(bool(track.get("iscrowd"))),
        "area": extent.area,
        "bbox": list(extent.bbox),
        "segmentation": segmentation,
        "track_id": track.get("id"),
    }
