"""Datasets of an archive, unpacked by a task.

The images are read one after the other and put into the object store, below a folder of this attempt. An attempt that
fails deletes its folder; what a killed one leaves behind is deleted as orphans.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Self

from sqlalchemy.orm import Session

from samfleet.datasets.archives.errors import ArchiveDuplicate, ArchiveTooLarge
from samfleet.datasets.archives.files import open_archive
from samfleet.datasets.archives.members import Format, Member, Meter, explained, read_members
from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.filling import begin_listing, close
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.left_out import ARCHIVE_SUFFIXES, LeftOutTally, Reason, describe, reason_of
from samfleet.datasets.listed_prompts import ListedPrompts
from samfleet.datasets.manifests import repository
from samfleet.datasets.manifests.files import Sources
from samfleet.datasets.manifests.images import ManifestImage, images_of
from samfleet.datasets.names import FileNameInvalid, check_file_name
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.service import DatasetTooLarge, InputLimits
from samfleet.db.models import Dataset, DatasetSource

Progress = Callable[[int, int], None]  # called for each member with the members read and the images written
THREADS = 8  # that put images into the store, each with an image in memory


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """An archive and how to read it; `profile` is a name of SAMFLEET_S3_SOURCES.

    An uploaded archive has the key `stored` and is not at `archive`, its name. `frames` is a stored `FrameChoice`, or
    None for whole files.
    """

    archive: str
    format: Format
    profile: str | None = None
    limit: int | None = None
    include_hidden: bool = False
    stored: str | None = None
    prompts_path: str | None = None
    prompts_format: LabelFormat | None = None
    frames: dict[str, Any] | None = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)

    @property
    def place(self) -> str:
        return self.archive if self.stored is None else f"{STORE_SCHEME}{self.stored}"


def create_archive_listing(
    session: Session, tenant_id: uuid.UUID, request: ArchiveRequest, name: str | None = None
) -> Dataset:
    """Write a dataset in the state `listing`, for a task to fill."""
    named = name or PurePosixPath(request.archive).stem.removesuffix(".tar")
    return begin_listing(session, tenant_id, DatasetSource.ARCHIVE, named, request)


@dataclass(slots=True)
class ArchiveListing:
    """One pass over the members of an archive. With a `limit`, it ends at the last image wanted."""

    request: ArchiveRequest
    sources: Sources
    limits: InputLimits
    progress: Progress
    frames: FrameLister | None = None
    left_out: LeftOutTally = field(default_factory=LeftOutTally)
    images: int = 0
    files: int = 0
    file_bytes: int = 0
    _members: int = 0
    _folder: str = ""

    def write(self, session: Session, dataset_id: uuid.UUID) -> None:
        """Unpack all images of a dataset whose row exists and write their rows. On an error, no object is left."""
        self._prompts.check()
        self._folder = f"datasets/{dataset_id}/images/{uuid.uuid4().hex}/"
        with self._undone():
            repository.copy_lines(session, self._stored(self._folder))
            if not self.images:
                omitted = self.left_out.all()
                raise DatasetEmpty(f"the archive has no images{f'; left out: {describe(omitted)}' if omitted else ''}")
            if (found := repository.find_repeated(session)) is not None:
                raise ArchiveDuplicate(f"the archive has {found.value!r} twice; names must be unique")
            repository.insert_images(session, dataset_id)

    def seal(self, session: Session, dataset: Dataset) -> None:
        """Seal the dataset. On an error, no object is left.

        An uploaded archive is no longer referred to, and is deleted as an orphan.
        """
        dataset.image_count = self.images
        dataset.left_out = [asdict(one) for one in self.left_out.all()]
        dataset.stored_bytes = self.file_bytes + (dataset.prompts_bytes or 0)
        dataset.stored_objects = self.files + (dataset.prompts_key is not None)
        dataset.listing = {**(dataset.listing or {}), "stored": None}
        with self._undone():
            self._prompts.write(session, dataset)
            close(session, dataset)

    @property
    def _prompts(self) -> ListedPrompts:
        asked = self.request
        prompts = asked.prompts_path, asked.prompts_format, asked.profile
        return ListedPrompts(*prompts, self.sources, self.limits, asked.limit is not None)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Delete the objects of this attempt if the block raises."""
        with ExitStack() as undo:
            undo.callback(self.sources.store.delete_prefix, self._folder)
            yield
            undo.pop_all()

    def _stored(self, folder: str) -> Iterator[ManifestImage]:
        """Yield the rows of the images in the order of the archive, each when its object is stored."""
        request, until = self.request, time.monotonic() + self.limits.listing.seconds
        meter, waiting = Meter(self.limits.total_bytes), deque[Future[ManifestImage]]()
        opened = open_archive(
            request.place, self.sources, request.profile, self.limits.archive_bytes, seekable=request.format == "zip"
        )
        with opened as file, ThreadPoolExecutor(THREADS, "archive") as threads:
            for member in self._image_members(read_members(file, request.format, meter), until):
                waiting.append(threads.submit(self._put, folder, self._members, member.name, self._read(member)))
                if len(waiting) >= THREADS:
                    yield from self._done(waiting.popleft())
                if request.limit is not None and self.images + len(waiting) >= request.limit:
                    break
            while waiting:
                yield from self._done(waiting.popleft())

    def _done(self, stored: Future[ManifestImage]) -> Iterator[ManifestImage]:
        """Yield the images of a file that is stored."""
        file = stored.result()
        if self.images == self.request.limit:
            return
        self.files += 1
        self.file_bytes += file.size_bytes
        for image in (file,) if self.frames is None else images_of(self.frames, file):
            if self.images == self.request.limit:
                return
            self.images += 1
            if self.images > self.limits.images:
                raise DatasetTooLarge(
                    f"the archive has more than {self.limits.images} images; make several datasets, give a limit, or "
                    "raise SAMFLEET_MAX_DATASET_IMAGES"
                )
            yield image

    def _image_members(self, members: Iterator[Member], until: float) -> Iterator[Member]:
        for member in members:
            self._members += 1
            self.progress(self._members, self.images)
            if self._members > self.limits.listing.entries:
                raise DatasetTooLarge(
                    f"the archive has more than {self.limits.listing.entries} files; make several, or raise "
                    "SAMFLEET_MAX_LISTING_ENTRIES"
                )
            if time.monotonic() > until:
                raise ArchiveTooLarge(
                    f"the archive takes longer than {self.limits.listing.seconds:g} s to unpack; make several, or "
                    "raise SAMFLEET_LISTING_TIME"
                )
            reason = self._reason_of(member.name)
            if reason is not None:
                self.left_out.add(reason, member.name)
                continue
            yield member

    def _reason_of(self, name: str) -> Reason | None:
        """Return the reason to leave a file out, as a listing of folders does."""
        *folders, last = name.split("/")
        hidden = self.request.include_hidden
        reasons: list[Reason | None] = [reason_of(folder, is_folder=True, with_hidden=hidden) for folder in folders]
        framed = self.frames is not None
        reasons.append(reason_of(last, is_folder=False, with_hidden=hidden, with_frames=framed))
        reason = next((found for found in reasons if found is not None), None)
        if reason == "other" and last.lower().endswith(ARCHIVE_SUFFIXES):
            return "archive"
        if reason is None:
            try:
                check_file_name(name)
            except FileNameInvalid:
                return "name"
        return reason

    def _read(self, member: Member) -> bytes:
        """Return the image, of which at most a byte too much is kept; it then fails alone when a job needs it."""
        with explained(), member.open() as file:
            return file.read(self.limits.image_bytes + 1)

    def _put(self, folder: str, number: int, name: str, data: bytes) -> ManifestImage:
        key = f"{folder}{number}/{name.rpartition('/')[2]}"
        self.sources.store.put(key, data)
        return ManifestImage(number, name, None, f"{STORE_SCHEME}{key}", len(data))
