"""Files in which frames lie, opened so that they can seek: in place on disk, else as a temporary copy."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from samfleet.datasets.content import FILE_SCHEME, STORE_SCHEME, Remote, disk_path, read_image, unreadable_file
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.image_errors import ImageMissing, ImageTooLarge
from samfleet.regular_files import limited, open_resolved
from samfleet.storage.store import ObjectNotFound, ObjectStore

CHUNK_BYTES = 2**20
UNTAGGED_SECONDS = 60  # for which a file at a URL without an ETag counts as the same

Streams = Mapping[str, Callable[[str], BinaryIO]]  # by scheme, of addresses whose files need not fit into memory


class FrameFiles:
    """Opener of files by the address of `DatasetImage.uri`."""

    def __init__(self, store: ObjectStore, remote: Remote, streams: Streams, limits: FrameLimits) -> None:
        self._store = store
        self._remote = remote
        self._streams = streams
        self.limits = limits

    def identity(self, address: str) -> Hashable:
        """Return a value that differs once the file at the address may be another one."""
        if address.startswith(FILE_SCHEME):
            try:
                status = os.stat(disk_path(address))  # noqa: PTH116 - a path of any bytes
            except OSError:
                return None  # opening the file raises the error
            return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        tagged = address.startswith(STORE_SCHEME) or "#" in address
        return None if tagged else int(time.monotonic() // UNTAGGED_SECONDS)

    def open(self, address: str) -> IO[bytes]:
        """Open the file, which may have `file_bytes`. Raises a subclass of `ImageFailed`, or the error of a store."""
        if address.startswith(FILE_SCHEME):
            return self._on_disk(address)
        if address.startswith(STORE_SCHEME):
            key = address.removeprefix(STORE_SCHEME)
            try:
                return self._copied(self._store.open(key))
            except ObjectNotFound as error:
                raise ImageMissing(f"the uploaded file is missing from the store ({key}); upload it again") from error
        scheme = address.partition(":")[0]
        if scheme in self._streams:
            return self._copied(self._streams[scheme](address))
        return io.BytesIO(read_image(self._store, address, self.limits.whole_bytes, self._remote))

    def _on_disk(self, address: str) -> IO[bytes]:
        path = disk_path(address)
        try:
            file = open_resolved(Path(path))
        except OSError as error:
            raise unreadable_file(path, error) from error
        if os.fstat(file.fileno()).st_size > self.limits.file_bytes:
            file.close()
            raise self._too_large()
        return file

    def _copied(self, stream: BinaryIO) -> IO[bytes]:
        with ExitStack() as undo:
            copy = undo.enter_context(TemporaryFile(prefix="samfleet-frames-"))
            with limited(stream, self.limits.file_bytes, self._too_large) as source:
                shutil.copyfileobj(source, copy, CHUNK_BYTES)
            undo.pop_all()
            return copy

    def _too_large(self) -> ImageTooLarge:
        return ImageTooLarge(
            f"the file has more than {self.limits.file_bytes} bytes, the most of which frames are taken; split it, or "
            "raise SAMFLEET_MAX_FRAMES_FILE_BYTES"
        )
