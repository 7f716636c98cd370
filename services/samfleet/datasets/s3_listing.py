"""Datasets of a bucket, listed by a task.

The keys stream from the store into one COPY, page by page, so a million of them need no memory. A task that dies leaves
nothing behind, and the next one begins again.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from typing import Any, Self

from psycopg.errors import UniqueViolation
from sqlalchemy.orm import Session

from samfleet.datasets import copying
from samfleet.datasets.content import unusable_uri
from samfleet.datasets.copying import NewImage
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.filling import begin_listing, close
from samfleet.datasets.frames.listing import FrameLister, FrameNameTaken
from samfleet.datasets.left_out import LeftOutTally, describe, reason_of
from samfleet.datasets.listed_prompts import ListedPrompts
from samfleet.datasets.manifests.files import Sources
from samfleet.datasets.names import SHOWN_SUFFIXES, FileNameInvalid, check_file_name, storable_name
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.s3_sources import S3Image, S3Object
from samfleet.datasets.s3_urls import S3Place, parse_s3_url
from samfleet.datasets.service import DatasetTooLarge, InputLimits
from samfleet.db.models import Dataset, DatasetSource
from samfleet.errors import InvalidInput

Progress = Callable[[int, int], None]  # called for each page with the keys looked at and the images written
ESCAPED_BYTES = 240  # of a name that cannot be stored, so that a hash behind it fits


class BucketUnordered(InvalidInput):
    """The store does not list its keys in their order, as S3's directory buckets; use a general purpose bucket."""

    code = "bucket_unordered"


@dataclass(frozen=True, slots=True)
class S3Request:
    """Images of a bucket and how to list them.

    `profile` is a name of SAMFLEET_S3_SOURCES, `frames` a stored `FrameChoice`, or None for whole files.
    `prompts_profile` is the profile for prompts in a bucket; without it, the first one that allows their address.
    """

    url: str
    profile: str
    limit: int | None = None
    include_hidden: bool = False
    prompts_path: str | None = None
    prompts_format: LabelFormat | None = None
    prompts_profile: str | None = None
    frames: dict[str, Any] | None = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)


def create_s3_listing(session: Session, tenant_id: uuid.UUID, request: S3Request, name: str | None = None) -> Dataset:
    """Write a dataset in the state `listing`, for a task to fill."""
    named = name or parse_s3_url(request.url).name
    return begin_listing(session, tenant_id, DatasetSource.S3, named, request)


@dataclass(slots=True)
class S3Listing:
    """One pass over the keys of a place. With a `limit`, it ends at the last image wanted.

    Raises `DatasetEmpty` if there is no image, and `DatasetTooLarge` beyond a limit of the server, so a list is never
    shorter than the bucket.
    """

    request: S3Request
    sources: Sources
    limits: InputLimits
    progress: Progress
    frames: FrameLister | None = None
    left_out: LeftOutTally = field(default_factory=LeftOutTally)
    images: int = 0
    _keys: int = 0
    _last: str = ""
    _skipped: str = ""  # the folder left out last; its keys follow each other

    def write(self, session: Session, dataset_id: uuid.UUID) -> None:
        """Write all images of a dataset whose row exists. The row is not locked against changes of its progress."""
        self._prompts.check()
        place = parse_s3_url(self.request.url)
        self.sources.s3.choose(place, self.request.profile)  # the settings may have changed since the request
        try:
            copying.copy_numbered(session, dataset_id, self._images(place))
        except UniqueViolation as error:
            raise FrameNameTaken(
                f"an object of {self.request.url} has the name of another one's frame, such as scan.tif/000000.png; "
                "list the folder that the name begins with in another dataset"
            ) from error
        if not self.images:
            raise self._empty(place)

    def seal(self, session: Session, dataset: Dataset) -> None:
        dataset.image_count = self.images
        dataset.left_out = [asdict(one) for one in self.left_out.all()]
        self._prompts.write(session, dataset)
        close(session, dataset)

    @property
    def _prompts(self) -> ListedPrompts:
        asked = self.request
        prompts = asked.prompts_path, asked.prompts_format, asked.prompts_profile
        return ListedPrompts(*prompts, self.sources, self.limits, asked.limit is not None)

    def _images(self, place: S3Place) -> Iterator[NewImage]:
        until = time.monotonic() + self.limits.listing.seconds
        files = self._files(place, until)
        if self.frames is None:
            yield from islice(self._counted(files), self.request.limit)
            return
        with closing(self.frames.images_of_all(files)) as files_of_frames:
            yield from islice(self._counted(self._watched(files_of_frames, until)), self.request.limit)

    def _files(self, place: S3Place, until: float) -> Iterator[NewImage]:
        """Yield the objects that are images, or files of frames."""
        for page in self._pages(place):
            for found in page:
                self._count(found)
                name = place.relative(found.key)
                if place.has(name) and self._is_image(name):
                    yield self._image(place, name, found)
            self.progress(self._keys, self.images)
            self._check_time(until)

    def _watched(self, files: Iterable[tuple[NewImage, Sequence[NewImage]]], until: float) -> Iterator[NewImage]:
        """Yield the images of files, and show progress after each file."""
        for _, images in files:
            yield from images
            self._check_time(until)
            self.progress(self._keys, self.images)

    def _counted(self, images: Iterable[NewImage]) -> Iterator[NewImage]:
        for image in images:
            self.images += 1
            self._require_room()
            yield image

    def _check_time(self, until: float) -> None:
        if time.monotonic() > until:
            raise DatasetTooLarge(
                f"{self.request.url} takes longer than {self.limits.listing.seconds:g} s to list; "
                "name a smaller folder, or raise SAMFLEET_LISTING_TIME"
            )

    def _pages(self, place: S3Place) -> Iterator[list[S3Object]]:
        """Yield the objects of the folder, or the single object that the address names."""
        profile, bucket = self.request.profile, place.bucket
        for page in self.sources.s3.objects(profile, bucket, place.prefix):
            yield list(page)
        if not self._keys and place.key is not None and self.sources.s3.allows(profile, bucket, place.key):
            first = next(chain.from_iterable(self.sources.s3.objects(profile, bucket, place.key)), None)
            if first is not None and first.key == place.key:
                yield [first]

    def _count(self, found: S3Object) -> None:
        if found.key <= self._last:
            raise BucketUnordered
        self._last = found.key
        self._keys += 1
        if self._keys > self.limits.listing.entries:
            raise DatasetTooLarge(
                f"{self.request.url} has more than {self.limits.listing.entries} keys; name a smaller folder, or raise "
                "SAMFLEET_MAX_LISTING_ENTRIES"
            )

    def _require_room(self) -> None:
        if self.images > self.limits.images:
            raise DatasetTooLarge(
                f"{self.request.url} has more than {self.limits.images} images; make several datasets, give a limit, "
                "or raise SAMFLEET_MAX_DATASET_IMAGES"
            )

    def _is_image(self, name: str) -> bool:
        """Return whether the key is an image; count what is left out as a listing of folders does."""
        if not name or name.endswith("/"):  # the folder markers that consoles create
            return False
        if self._skipped and name.startswith(self._skipped):
            return False
        *folders, last = name.split("/")
        path = ""
        for folder in folders:
            path += f"{folder}/"
            reason = reason_of(folder, is_folder=True, with_hidden=self.request.include_hidden)
            if reason is not None:
                self._skipped = path
                self.left_out.add(reason, path)
                return False
        options = {"with_hidden": self.request.include_hidden, "with_frames": self.frames is not None}
        reason = reason_of(last, is_folder=False, **options)
        if reason is not None:
            self.left_out.add(reason, name)
        return reason is None

    def _image(self, place: S3Place, name: str, found: S3Object) -> NewImage:
        try:
            check_file_name(name)
        except FileNameInvalid as error:
            return NewImage(_escaped(name), unusable_uri(error.message), 0)
        return NewImage(name, S3Image(self.request.profile, place.bucket, found.key, found.etag).uri, found.size)

    def _empty(self, place: S3Place) -> DatasetEmpty:
        left_out = self.left_out.all()
        omitted = f"; left out: {describe(left_out)}" if left_out else ""
        if place.pattern:
            return DatasetEmpty(
                f"no image matches {place.url} ({self._keys} keys begin with {place.prefix!r}); '*' stays within a "
                f"folder, '**' does not{omitted}"
            )
        if not self._keys:
            return DatasetEmpty(f"{place.url} has no objects; check the bucket and the folder")
        return DatasetEmpty(f"{place.url} has no images; objects are taken by suffix ({SHOWN_SUFFIXES}){omitted}")


def _escaped(name: str) -> str:
    """Return a name that can be stored. The hash keeps it apart from a key that is written like this."""
    start = storable_name(name).encode()[:ESCAPED_BYTES].decode(errors="ignore")
    return f"{start}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
