"""Image files of this machine: a folder, or a single file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samfleet.client.label_folders import require_form
from samfleet.client.server_sources import SourceNotSupported
from samfleet.datasets.directory import list_files
from samfleet.datasets.folder_walk import FoundImage, ListingLimits
from samfleet.datasets.left_out import LeftOut
from samfleet.datasets.names import FRAME_SUFFIXES, IMAGE_SUFFIXES, has_frames, is_image_name

_ANYWHERE = (Path("/"),)  # on the user's own machine, only the file system's permissions limit access
_PATIENT = ListingLimits(seconds=math.inf)  # files are looked at until the last one is sent; the user may interrupt


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Image files of a source, sorted by name. Each call of `images` looks at them again, one by one; only the names
    are kept.
    """

    count: int
    left_out: tuple[LeftOut, ...]
    images: Callable[[], Iterator[FoundImage]]


@dataclass(frozen=True, slots=True)
class Source:
    """Images of a local folder, or a single local image file.

    `frames` are the fields of a request that choose frames (`choice_of`). `limit` counts images then, but files if
    they are uploaded.
    """

    path: Path
    annotations: Path | None = None
    limit: int | None = None
    detections: Path | None = None
    strict_annotations: bool = False
    hidden: bool = False
    name: str | None = None
    prompts: Path | None = None
    prompts_format: str | None = None  # of labels of another tool
    frames: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataset_name(self) -> str | None:
        """Given name, or else the name of the folder or file; None for the root folder."""
        return self.name or self.path.resolve().name or None

    def files(self) -> SourceFiles:
        """List the first `limit` images, as a server that reads the folder itself does; all files with frames."""
        if self.prompts is not None:
            require_form(self.prompts, self.prompts_format)
        framed = bool(self.frames)
        if self.path.is_file():
            self._check_suffix(framed=framed)
            image = FoundImage(self.path.name, str(self.path), self.path.stat().st_size)
            return SourceFiles(1, (), lambda: iter([image]))
        folder, limit = str(self.path.resolve()), None if framed else self.limit
        found = list_files(folder, _ANYWHERE, limit, _PATIENT, with_hidden=self.hidden, with_frames=framed)
        return SourceFiles(len(found.names), found.left_out, found.images)

    def _check_suffix(self, *, framed: bool) -> None:
        name, suffixes = self.path.name, IMAGE_SUFFIXES
        if is_image_name(name) or (framed and has_frames(name)):
            return
        if has_frames(name):
            raise SourceNotSupported(f"{self.path} is an image only with a choice of its frames, such as all of them")
        if framed:
            suffixes = tuple(dict.fromkeys(IMAGE_SUFFIXES + FRAME_SUFFIXES))
        raise SourceNotSupported(
            f"{self.path} is neither a folder nor, by its suffix, an image file; images end in {', '.join(suffixes)}"
        )
