"""Opening of files with frames, by their content: videos, and pages or pictures of image files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import IO, Protocol

from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.stills import HEAD_BYTES, open_stills
from samfleet.datasets.frames.times import FrameTimes
from samfleet.image_errors import ImageFormatUnsupported
from samfleet.masks import plugins

EXTRA = "samfleet[video]"
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # with which MP4 and QuickTime begin


class Frames(Protocol):
    """The frames of an open file, for several threads."""

    def indices(self) -> Sequence[int]:
        """Return the numbers of the frames that are separate images. Raises a subclass of `ImageFailed`."""
        ...

    def times(self) -> FrameTimes | None:
        """Return the times of the frames; None for pages and pictures, of which none are known."""
        ...

    def read(self, index: int) -> bytes:
        """Return a frame as a separate file, upright and of 8 bits a channel. Raises a subclass of `ImageFailed`."""
        ...


def open_frames(file: IO[bytes], limits: FrameLimits) -> Frames:
    """Open a file that can seek, decoding no pixels. Raises a subclass of `ImageFailed` that names the fault."""
    file.seek(0)
    form = container_of(file.read(HEAD_BYTES))
    if form is None:
        return open_stills(file, limits)
    if find_spec("av") is None:
        raise ImageFormatUnsupported(
            f"the file is a video, which this server cannot read; install {EXTRA} on it, or extract the frames"
        )
    from samfleet.datasets.frames.videos import Video

    return Video(file, form, limits)


def container_of(head: bytes) -> str | None:
    """Return libav's name of the container if the file is a video."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"\0\0\1\xba"):
        return "mpeg"
    return "mov" if head[4:8] in BOXES and plugins.kind_of(head) is None else None
