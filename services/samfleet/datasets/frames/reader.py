"""Reader of frames by their address, which keeps the files of the last ones open.

The images of a shard follow each other, so a file is opened once for all of its frames there.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import ExitStack

from samfleet.datasets.content import Remote
from samfleet.datasets.frame_addresses import SCHEME, FrameAddress
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.opening import Frames, open_frames
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.url_sources import UrlSources
from samfleet.image_errors import ImageUnreadable
from samfleet.storage.store import ObjectStore

OPEN_FILES = 4  # of a process; each may be a temporary copy
AT_A_TIME = 4  # frames that are decoded side by side


def frame_readers(store: ObjectStore, s3: S3Sources, urls: UrlSources, limits: FrameLimits) -> Remote:
    """Return the readers of frames. Keep them for the life of the process, because they remember open files."""
    return FrameReader(FrameFiles(store, {**s3.readers, **urls.readers}, s3.streams, limits)).readers


class _Slot:
    """A file that threads share: the first one opens it, and the others wait for that."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.frames: Frames | None = None


class FrameReader:
    """Reader for the scheme `frame` of `samfleet.datasets.content.read_image`; threads share it.

    A file that is no longer kept is closed when the last thread has read from it.
    """

    def __init__(self, files: FrameFiles) -> None:
        self._files = files
        self._slots: OrderedDict[tuple[str, Hashable], _Slot] = OrderedDict()
        self._choosing = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_A_TIME)

    @property
    def readers(self) -> Remote:
        return {SCHEME: self.read}

    def read(self, uri: str, _max_bytes: int) -> bytes:
        """Return the frame as a PNG. Raises a subclass of `ImageFailed`, or the retryable error of a store."""
        address = FrameAddress.of(uri)
        if address is None:
            raise ImageUnreadable(f"{uri} is not the address of a frame; make a new dataset")
        slot = self._slot(address.file)
        with self._places:
            return self._opened(slot, address.file).read(address.index)

    def _slot(self, file: str) -> _Slot:
        key = (file, self._files.identity(file))
        with self._choosing:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > OPEN_FILES:
                self._slots.popitem(last=False)
        return slot

    def _open(self, address: str) -> Frames:
        with ExitStack() as undo:
            file = undo.enter_context(self._files.open(address))
            frames = open_frames(file, self._files.limits)
            weakref.finalize(frames, file.close)
            undo.pop_all()
        return frames

    def _opened(self, slot: _Slot, file: str) -> Frames:
        with slot.opening:
            if slot.frames is None:
                slot.frames = self._open(file)
            return slot.frames
