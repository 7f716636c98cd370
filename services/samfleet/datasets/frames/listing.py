"""Frames as images of a dataset: the files that have several are opened while the dataset is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samfleet.datasets.content import FAULTS, unusable_uri
from samfleet.datasets.copying import NewImage
from samfleet.datasets.frame_addresses import FrameAddress, frame_name
from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.stills import open_stills
from samfleet.datasets.names import FileNameInvalid, check_file_name, has_frames, is_image_name
from samfleet.image_errors import ImageFailed


@dataclass(frozen=True, slots=True)
class ListedFrame:
    """An image of a dataset: a frame, or a file as it is (`index` is None)."""

    file_name: str
    uri: str
    index: int | None = None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Return what a dataset's image says about its frame."""
        return {} if self.index is None else {"frame": self.index}


@dataclass(frozen=True, slots=True)
class FrameLister:
    """Finder of the frames that a request chooses."""

    choice: FrameChoice
    files: FrameFiles

    def frames_of(self, file_name: str, uri: str) -> Iterator[ListedFrame]:
        """Yield the images of a file. One that cannot be read is one image, which fails with the reason.

        A file of one picture is an image as it is if it can be without a choice of frames. Raises the retryable error
        of a store that does not respond.
        """
        if not has_frames(file_name):
            yield ListedFrame(file_name, uri)
            return
        try:
            check_file_name(frame_name(file_name, 0))
            found = [self.choice.index] if self.choice.index is not None else self._indices(uri)
        except FileNameInvalid as error:
            yield ListedFrame(file_name, unusable_uri(error.message))
            return
        except ImageFailed as error:
            if error.code not in FAULTS:
                raise
            yield ListedFrame(file_name, unusable_uri(error.message, error.code))
            return
        if self.choice.index is None and len(found) == 1 and found[0] == 0 and is_image_name(file_name):
            yield ListedFrame(file_name, uri)
            return
        for index in self.choice.of_frames(found):
            yield ListedFrame(frame_name(file_name, index), FrameAddress(uri, index).uri, index)

    def images_of(self, image: NewImage) -> Iterator[NewImage]:
        """Yield the images of a file as rows; they have the file's size and times. Raises like `frames_of`."""
        for frame in self.frames_of(image.file_name, image.uri):
            metadata = {**(image.metadata or {}), **frame.metadata} or None
            yield replace(image, file_name=frame.file_name, uri=frame.uri, metadata=metadata)

    def _indices(self, uri: str) -> Sequence[int]:
        with self.files.open(uri) as file:
            return open_stills(file, self.files.limits).indices()
