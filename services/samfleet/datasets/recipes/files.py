"""Files of a dataset: fetched or copied in one step each, so that a file under its final name is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from samfleet.datasets.recipes.errors import DatasetHashMismatch, DatasetSourceInvalid, explained
from samfleet.datasets.recipes.record import RemoteFile
from samfleet.image_errors import ImageFailed
from samfleet.masks.image_file import upright_size
from samfleet.variants.weights.disk import FreeBytes, check_space, disk_errors, place, write_all
from samfleet.variants.weights.download import Downloader
from samfleet.variants.weights.lock import file_lock
from samfleet.variants.weights.part_file import PartFile
from samfleet.variants.weights.pins import read_pins, write_pin
from samfleet.variants.weights.progress import NoProgress, Progress
from samfleet.variants.weights.verify import file_sha256

CHUNK_BYTES = 1 << 20
MAX_PIXELS = 2**30  # no image of a dataset is refused for its size here; a server has a limit for that


@dataclass(frozen=True, slots=True)
class Transfers:
    """Means of getting files: the HTTP client, the display, and the reading of free disk space."""

    client: httpx.Client
    progress: Progress
    free_bytes: FreeBytes

    def archive(self, remote: RemoteFile, folder: Path) -> tuple[Path, str]:
        """Return the file in `folder` and its sha256; it is downloaded unless it is there.

        It must have the stated MD5 and the sha256 that was pinned in `folder` at its first download. Interrupted
        downloads resume. Of two processes that need the same file, one downloads it.
        """
        target = folder / remote.name
        with explained(remote.url):
            make_folder(folder)
            with file_lock(target):
                if not target.exists():
                    self._download(remote, target)
                sha256 = file_sha256(target)
                self._pin(remote, target, sha256)
        return target, sha256

    def _download(self, remote: RemoteFile, target: Path) -> None:
        part = PartFile.beside(target, remote.url)
        pinned = read_pins(target.parent).get(remote.name)
        Downloader(self.client, self.progress, self.free_bytes).download(part, pinned, remote.size_bytes)
        try:
            _check_md5(remote, part.path, "it was removed, so try again later")
        except DatasetHashMismatch:
            part.discard()
            raise
        place(part.path, target)
        part.discard()

    def _pin(self, remote: RemoteFile, target: Path, sha256: str) -> None:
        """Pin the hash of a file, or raise `DatasetHashMismatch` if another one is pinned."""
        pinned = read_pins(target.parent).get(remote.name)
        if pinned is None:
            _check_md5(remote, target, "remove it")
            write_pin(target.parent, remote.name, sha256)
            if remote.md5 is None:
                self.progress.pinned(remote.name, sha256)
        elif pinned != sha256:
            raise DatasetHashMismatch(
                f"{target} has sha256 {sha256}, the first download had {pinned}; remove the file, or its entry in "
                "pins.json if you trust the new one"
            )

    def check(self, remote: RemoteFile, copy: Path) -> None:
        """Raise `DatasetHashMismatch` if a user's copy has another MD5 than is stated."""
        _check_md5(remote, copy, "download it again")

    def image(self, url: str, target: Path) -> None:
        """Download one image. No hash is published; its length must be the one that the server announces."""
        with explained(url):
            make_folder(target.parent)
            part = PartFile.beside(target, url)
            Downloader(self.client, NoProgress(), self.free_bytes).download(part, None)
            try:
                upright_size(part.path.read_bytes(), MAX_PIXELS)
            except ImageFailed as error:
                part.discard()
                raise DatasetSourceInvalid(f"{url} sent a file that cannot be segmented: {error.message}") from error
            place(part.path, target)
            part.discard()

    def copy(self, source: IO[bytes], size_bytes: int, target: Path) -> None:
        """Copy an open file, such as a member of an archive, to `target`."""
        with explained(str(target)):
            make_folder(target.parent)
            check_space(target.parent, size_bytes, self.free_bytes)
        write_file(target, iter(lambda: source.read(CHUNK_BYTES), b""))


def make_folder(folder: Path) -> None:
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_file(target: Path, chunks: Iterable[bytes]) -> str:
    """Write a file in one step and return its sha256."""
    digest = hashlib.sha256()
    written = target.with_name(f".{target.name}.new")
    with explained(str(target)):
        with disk_errors(written):
            file = written.open("wb", buffering=0)
        with file:
            for chunk in chunks:
                digest.update(chunk)
                with disk_errors(written):
                    write_all(file, chunk)
        place(written, target)
    return digest.hexdigest()


def write_json(target: Path, value: Any) -> None:
    write_file(target, [json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"])


def _check_md5(remote: RemoteFile, path: Path, advice: str) -> None:
    if remote.md5 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != remote.md5:
        raise DatasetHashMismatch(f"{remote.name} has MD5 {found}, expected is {remote.md5}; {advice}")
