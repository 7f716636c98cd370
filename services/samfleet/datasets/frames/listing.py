"""Frames as images of a dataset: the files that have several are opened while the dataset is listed."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samfleet.datasets.content import FAULTS, unusable_uri
from samfleet.datasets.copying import NewImage
from samfleet.datasets.frame_addresses import FrameAddress, frame_name
from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.limits import too_many_frames
from samfleet.datasets.frames.opening import open_frames
from samfleet.datasets.frames.side_by_side import read_side_by_side
from samfleet.datasets.names import FileNameInvalid, check_file_name, has_frames, is_image_name
from samfleet.errors import InvalidInput
from samfleet.image_errors import ImageFailed


class FrameNameTaken(InvalidInput):
    """A frame would have the name of another image; rename one of the files."""

    code = "frame_name_taken"


@dataclass(frozen=True, slots=True)
class ListedFrame:
    """An image of a dataset: a frame, or a file as it is (`index` is None).

    `seconds` is the time of a video's frame after the first one.
    """

    file_name: str
    uri: str
    index: int | None = None
    seconds: float | None = None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Return what a dataset's image says about its frame."""
        stated = {"frame": self.index, "time_seconds": self.seconds}
        return {name: value for name, value in stated.items() if value is not None}


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
            chosen = self._chosen(uri, is_image=is_image_name(file_name))
        except FileNameInvalid as error:
            yield ListedFrame(file_name, unusable_uri(error.message))
            return
        except ImageFailed as error:
            if error.code not in FAULTS:
                raise
            yield ListedFrame(file_name, unusable_uri(error.message, error.code))
            return
        if chosen is None:
            yield ListedFrame(file_name, uri)
            return
        for index, seconds in chosen:
            yield ListedFrame(frame_name(file_name, index), FrameAddress(uri, index).uri, index, seconds)

    def images_of(self, image: NewImage) -> Iterator[NewImage]:
        """Yield the images of a file as rows; they have the file's size and times. Raises like `frames_of`."""
        for frame in self.frames_of(image.file_name, image.uri):
            metadata = {**(image.metadata or {}), **frame.metadata} or None
            yield replace(image, file_name=frame.file_name, uri=frame.uri, metadata=metadata)

    def images_of_all(self, files: Iterable[NewImage]) -> Generator[tuple[NewImage, Sequence[NewImage]]]:
        """Yield each file with its images; `read_side_by_side` states the rest. Raises like `frames_of`."""
        return read_side_by_side(files, lambda file: has_frames(file.file_name), self.images_of)

    def _chosen(self, uri: str, *, is_image: bool) -> Sequence[tuple[int, float | None]] | None:
        """Return the chosen frames with their times; None if the file is an image as it is."""
        if self.choice.index is not None:
            return [(self.choice.index, None)]
        with self.files.open(uri) as file:
            frames = open_frames(file, self.files.limits)
            found, times = frames.indices(), frames.times()
        most = self.files.limits.frames
        chosen = replace(self.choice, most=min(self.choice.most or most + 1, most + 1)).of_frames(found, times)
        if len(chosen) > most:
            raise too_many_frames(self.files.limits)
        is_first = len(found) == 1 or (times is None and self.choice.every_seconds is not None)
        if is_image and is_first and list(chosen) == [0]:
            return None
        return [(index, None if times is None else times.seconds(index)) for index in chosen]
