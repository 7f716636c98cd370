"""Choice of the frames of files that become images, as the requests of the API have it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict

from samfleet.client.routes import datasets
from samfleet.client.schemas import Dataset
from samfleet.client.steps import Steps, ask
from samfleet.datasets.folder_walk import FoundImage
from samfleet.datasets.names import has_frames
from samfleet.errors import InvalidInput

_NUMBER = re.compile(r"/[0-9]{6}\.png\Z")  # of a frame, behind the name of its file


class FrameSteps(TypedDict, total=False):
    """A part of the frames of each file: one of `every`, `count` and `every_seconds`, which counts in seconds.

    At most `most` are taken. Of a video, only frames from the second `start` on and before `end`.
    """

    every: int
    count: int
    every_seconds: float
    most: int
    start: float
    end: float


Frames: TypeAlias = Literal["all"] | FrameSteps


def choice_of(frame: int | None, frames: Frames | None) -> dict[str, Any]:
    """Return the fields of a request; none if files are taken as they are. Raises `InvalidInput` if both are given."""
    if frame is not None and frames is not None:
        raise InvalidInput("give frame, the number of one, or frames")
    if frame is not None:
        return {"frame": frame}
    return {} if frames is None else {"frames": frames if isinstance(frames, str) else dict(frames)}


def are_frames_of(dataset: Dataset, files: Iterable[FoundImage], *, limited: bool) -> Steps[bool]:
    """Return True if the images are frames of these files, or the files: with these names and sizes.

    Only files that may have no chosen frame may be missing; any, if the dataset is limited.
    """
    sizes: Mapping[str, int] = {file.name: file.size_bytes for file in files}
    pages, cursor, seen = datasets.dataset_images(dataset.id), None, set()
    while True:
        page = yield from ask(pages.page(cursor))
        for image in map(pages.parse, page["items"]):
            name = image.file_name if image.file_name in sizes else _NUMBER.sub("", image.file_name)
            if sizes.get(name) != image.size_bytes:
                return False
            seen.add(name)
        cursor = page["next"]
        if cursor is None:
            return limited or all(name in seen or has_frames(name) for name in sizes)
