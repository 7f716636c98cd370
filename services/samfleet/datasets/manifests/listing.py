"""Datasets of a manifest, listed by a task.

The lines stream from the file into one COPY, so a million of them need no memory. A task that dies leaves nothing
behind, and the next one begins again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Self

from sqlalchemy.orm import Session

from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.filling import begin_listing, close
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.frames.side_by_side import read_side_by_side
from samfleet.datasets.listed_prompts import ListedPrompts
from samfleet.datasets.manifests import repository
from samfleet.datasets.manifests.entries import ManifestLine
from samfleet.datasets.manifests.errors import ManifestDuplicate, ManifestTooLarge
from samfleet.datasets.manifests.files import Sources, open_manifest
from samfleet.datasets.manifests.images import ManifestImage, ManifestImages, images_of
from samfleet.datasets.manifests.lines import Format, read_lines
from samfleet.datasets.manifests.prompts import ManifestPrompts
from samfleet.datasets.names import has_frames
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.service import DatasetTooLarge, InputLimits
from samfleet.db.models import Dataset, DatasetSource

Progress = Callable[[int, int], None]  # called for some lines at a time with the lines read and the images written
LINES_AT_ONCE = 256
THREADS = 16  # that ask stores for the versions of objects
WORDS = {"file_name": "file name", "external_id": "id"}


@dataclass(frozen=True, slots=True)
class ManifestRequest:
    """A manifest and how to read it.

    `profile` is a name of SAMFLEET_S3_SOURCES. `base` is the folder, or s3://bucket/folder, of relative paths; by
    default the manifest's. An uploaded manifest has the key `stored` and is not at `manifest`, its name. `frames` is a
    stored `FrameChoice`, or None for whole files.
    """

    manifest: str
    format: Format
    profile: str | None = None
    limit: int | None = None
    base: str | None = None
    stored: str | None = None
    prompts_path: str | None = None
    prompts_format: LabelFormat | None = None
    frames: dict[str, Any] | None = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)

    @property
    def place(self) -> str:
        return self.manifest if self.stored is None else f"{STORE_SCHEME}{self.stored}"

    @property
    def folder(self) -> str | None:
        """Return the folder of relative paths; None if there is none."""
        return self.base if self.base or self.stored else self.manifest.rpartition("/")[0]


def create_manifest_listing(
    session: Session, tenant_id: uuid.UUID, request: ManifestRequest, name: str | None = None
) -> Dataset:
    """Write a dataset in the state `listing`, for a task to fill."""
    named = name or PurePosixPath(request.manifest).stem
    return begin_listing(session, tenant_id, DatasetSource.MANIFEST, named, request)


@dataclass(slots=True)
class ManifestListing:
    """One pass over the lines of a manifest. With a `limit`, it ends at the last image wanted.

    Raises `DatasetEmpty` without lines, `DatasetTooLarge` beyond a limit of the server, and `ManifestDuplicate`.
    """

    request: ManifestRequest
    sources: Sources
    limits: InputLimits
    progress: Progress
    frames: FrameLister | None = None
    images: int = 0
    _of_lines: ManifestPrompts = field(init=False)

    def __post_init__(self) -> None:
        self._of_lines = ManifestPrompts(self.limits.annotations)

    def write(self, session: Session, dataset_id: uuid.UUID) -> None:
        """Write all images of a dataset whose row exists. The row is not locked against changes of its progress."""
        self._prompts.check()
        repository.copy_lines(session, self._images())
        if not self.images:
            raise DatasetEmpty(f"{self.request.manifest} has no lines; write one image per line")
        if (found := repository.find_repeated(session)) is not None:
            raise ManifestDuplicate(
                f"lines {found.first} and {found.line}: both have the {WORDS[found.column]} {found.value!r}; "
                f"state a different {found.column.removeprefix('external_')} in one of them"
            )
        repository.insert_images(session, dataset_id)

    def seal(self, session: Session, dataset: Dataset) -> None:
        dataset.image_count = self.images
        self._of_lines.seal(dataset, with_file=bool(self.request.prompts_path or dataset.prompts_key))
        self._prompts.write(session, dataset)
        close(session, dataset)

    @property
    def _prompts(self) -> ListedPrompts:
        asked = self.request
        prompts = asked.prompts_path, asked.prompts_format, asked.profile
        return ListedPrompts(*prompts, self.sources, self.limits, asked.limit is not None)

    def _images(self) -> Iterator[ManifestImage]:
        request, most = self.request, self.limits.file_bytes
        until = time.monotonic() + self.limits.listing.seconds
        finder = ManifestImages(self.sources, request.folder, request.profile)
        with (
            open_manifest(request.place, self.sources, request.profile, most) as file,
            ThreadPoolExecutor(THREADS, "manifest") as threads,
        ):
            for some in _batches(islice(read_lines(file, request.format), request.limit)):
                # Threads cost more than the work if nothing is asked of a store.
                found = threads.map(finder.find, some) if any(map(finder.asks_store, some)) else map(finder.find, some)
                with closing(self._with_images(found)) as files:
                    for one, images in files:
                        for image in images:
                            if self.images == request.limit:
                                return
                            self.images += 1
                            yield self._with_row(image)
                        if self.frames is not None:
                            self._check(one.line, until)
                self._check(some[-1].number, until)

    def _with_images(self, files: Iterable[ManifestImage]) -> Generator[tuple[ManifestImage, Sequence[ManifestImage]]]:
        """Yield each file with its images."""
        if self.frames is None:
            yield from ((file, (file,)) for file in files)
        else:
            read = partial(images_of, self.frames)
            yield from read_side_by_side(files, lambda file: has_frames(file.file_name), read)

    def _with_row(self, image: ManifestImage) -> ManifestImage:
        if image.prompts is None:
            return image
        return replace(image, prompts_row=self._of_lines.row(image.line, image.prompts))

    def _check(self, line: int, until: float) -> None:
        if self.images > self.limits.images:
            raise DatasetTooLarge(
                f"{self.request.manifest} has more than {self.limits.images} images; make several datasets, give a "
                "limit, or raise SAMFLEET_MAX_DATASET_IMAGES"
            )
        if time.monotonic() > until:
            raise ManifestTooLarge(
                f"{self.request.manifest} takes longer than {self.limits.listing.seconds:g} s to list (line {line}); "
                "split it, state the etag of objects, or raise SAMFLEET_LISTING_TIME"
            )
        self.progress(line, self.images)


def _batches(lines: Iterator[ManifestLine]) -> Iterator[list[ManifestLine]]:
    while some := list(islice(lines, LINES_AT_ONCE)):
        yield some
