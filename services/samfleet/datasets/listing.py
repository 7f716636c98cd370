"""Datasets of a folder of this machine.

A small folder is listed while the client waits. A large one gets a dataset in the state `listing`, which a task fills:
it walks through the folder, then writes all rows in one transaction. A task that dies leaves nothing behind, and the
next one begins again.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any, Self

from sqlalchemy.orm import Session

from samfleet.datasets import copying
from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.datasets.annotate import ids_of, write_annotations
from samfleet.datasets.annotation_entries import AnnotationLimits, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.copying import NewImage
from samfleet.datasets.detections import Detections, DetectionsNotFound, DetectionsTooLarge, read_detections
from samfleet.datasets.directory import FolderFiles, list_files
from samfleet.datasets.filling import begin_listing, close
from samfleet.datasets.folder_walk import FoundImage
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.left_out import LeftOut
from samfleet.datasets.placed_prompts import PlacedPrompts
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.prompt_lines import PromptsTooLarge
from samfleet.datasets.prompts import Opener, PromptsNotFound, write_prompts
from samfleet.datasets.server_files import open_on_server
from samfleet.datasets.service import DatasetTooLarge, InputLimits
from samfleet.db.models import Dataset, DatasetSource

ENTRIES_AT_ONCE = 2000  # files and folders that are listed while the client waits
ENTRIES_AT_LEAST = 200  # that are listed so however slow the disk is
SECONDS_AT_ONCE = 0.1  # after which a task takes over
BYTES_AT_ONCE = 2**20  # of the annotations, the detections and the prompts

Progress = Callable[[int], None]  # called for each entry of the folder, then for each image written


@dataclass(frozen=True, slots=True)
class ListingRequest:
    """A folder and how to list it.

    With `strict_annotations`, every image needs annotations and every annotation an image. `frames` is a stored
    `FrameChoice`, or None for whole files.
    """

    directory: str
    annotations_path: str | None = None
    detections_path: str | None = None
    prompts_path: str | None = None
    prompts_format: LabelFormat | None = None
    limit: int | None = None
    include_hidden: bool = False
    strict_annotations: bool = False
    frames: dict[str, Any] | None = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    """Contents of a directory dataset before the database is touched.

    Images are many, so each is looked at while its row is written, and annotations are read and validated while theirs
    are written. `names` are those of `found`. Frames are found before, because annotations may name them.
    """

    request: ListingRequest
    names: Sequence[str]
    found: Callable[[], Iterable[NewImage]]
    left_out: tuple[LeftOut, ...]
    image_ids: Sequence[int]
    annotations: CocoInstances | None
    detections: Detections | None
    prompts: Opener | None
    limits: AnnotationLimits

    def images(self, progress: Progress) -> Iterator[NewImage]:
        for count, image in enumerate(self.found(), start=1):
            progress(count)
            yield image


class _Large(Exception):
    """The folder takes too long to list while the client waits."""


def list_at_once(request: ListingRequest, roots: Sequence[Path], limits: InputLimits) -> DirectoryListing | None:
    """List a small folder; return None for one that a task must list."""
    until = time.monotonic() + SECONDS_AT_ONCE

    def stop(entries: int) -> None:
        if entries > ENTRIES_AT_ONCE or (entries > ENTRIES_AT_LEAST and time.monotonic() > until):
            raise _Large

    files = (request.annotations_path, request.detections_path, request.prompts_path)
    sizes = [_size(path, roots) for path in files if path]  # raises for paths that are not allowed
    of_a_tool = request.prompts_format is not None  # such labels may lie in many files
    if request.frames is not None or of_a_tool or any(size > BYTES_AT_ONCE for size in sizes):
        resolve_allowed(request.directory, roots)
        return None
    try:
        return list_directory(request, roots, limits, stop)
    except _Large:
        return None


def list_directory(
    request: ListingRequest,
    roots: Sequence[Path],
    limits: InputLimits,
    progress: Progress = lambda _count: None,
    frames: FrameLister | None = None,
) -> DirectoryListing:
    """List the folder and read the annotations, detections and prompts files; all must be under the allowed roots.

    With a `limit`, prompts may belong to any image, and detections to images beyond it: to any image of the annotations
    file or, without that file, to any image.
    """
    limited = request.limit is not None
    files = list_files(
        request.directory,
        roots,
        None if frames else request.limit,
        limits.listing,
        with_hidden=request.include_hidden,
        with_frames=frames is not None,
        on_entry=progress,
    )
    framed = None if frames is None else _framed(request, files, frames, limits.images, progress)
    names = files.names if framed is None else [image.file_name for image in framed]
    if len(names) > limits.images:
        raise DatasetTooLarge(
            f"{request.directory} has {len(names)} images, more than {limits.images} in one dataset; make several, "
            "give a limit, or raise SAMFLEET_MAX_DATASET_IMAGES"
        )
    instances, detections = _read_files(request, roots, limits)
    image_ids = ids_of(names, instances)
    kept = _of_images(detections, image_ids, instances, limited=limited)
    prompts = _checked_prompts(request, roots, limits, names)
    found = (lambda: map(_row, files.images())) if framed is None else (lambda: framed)
    return DirectoryListing(
        request, names, found, files.left_out, image_ids, instances, kept, prompts, limits.annotations
    )


def _read_files(
    request: ListingRequest, roots: Sequence[Path], limits: InputLimits
) -> tuple[CocoInstances | None, Detections | None]:
    instances = detections = None
    if request.annotations_path:
        errors = (AnnotationsNotFound, AnnotationsTooLarge)
        opened = partial(open_on_server, request.annotations_path, roots, limits.file_bytes, *errors)
        instances = read_annotations(opened, limits.annotations)
    if request.detections_path:
        path, sizes = request.detections_path, limits.file_bytes
        with open_on_server(path, roots, sizes, DetectionsNotFound, DetectionsTooLarge) as file:
            detections = read_detections(file, limits.annotations)
    return instances, detections


def _row(image: FoundImage) -> NewImage:
    return NewImage(image.name, image.uri, image.size_bytes, *(image.times or ()))


def _framed(
    request: ListingRequest, files: FolderFiles, frames: FrameLister, most: int, progress: Progress
) -> list[NewImage]:
    """Return the images of the files' frames: at most the limit of the request, or one more than `most`."""

    def shown() -> Iterator[NewImage]:
        for count, image in enumerate(files.images(), start=1):
            progress(count)
            yield _row(image)

    with closing(frames.images_of_all(shown())) as found:
        images = chain.from_iterable(of_file for _, of_file in found)
        return list(islice(images, most + 1 if request.limit is None else request.limit))


def _checked_prompts(
    request: ListingRequest, roots: Sequence[Path], limits: InputLimits, names: Sequence[str]
) -> Opener | None:
    """Validate the prompts, which are read again when their rows are written, and return how to open them."""
    if request.prompts_path is None:
        return None
    opened = partial(
        open_on_server, roots=roots, max_bytes=limits.file_bytes, not_found=PromptsNotFound, too_large=PromptsTooLarge
    )
    placed = PlacedPrompts(request.prompts_path, request.prompts_format, roots, limits, opened)
    placed.check()
    return placed.opener(names, limited=request.limit is not None)


def create_sealed(
    session: Session, tenant_id: uuid.UUID, listing: DirectoryListing, name: str | None = None
) -> Dataset:
    """Write a sealed dataset. Raises `AnnotationsUnmatched` if the request is strict and something does not match."""
    dataset = create_listing(session, tenant_id, listing.request, name)
    write_images(session, dataset.id, listing)
    seal(session, dataset, listing)
    return dataset


def create_listing(session: Session, tenant_id: uuid.UUID, request: ListingRequest, name: str | None = None) -> Dataset:
    """Write a dataset in the state `listing`, for a task to fill."""
    named = name or PurePosixPath(request.directory).name or request.directory
    return begin_listing(session, tenant_id, DatasetSource.DIRECTORY, named, request, directory=request.directory)


def write_images(
    session: Session, dataset_id: uuid.UUID, listing: DirectoryListing, progress: Progress = lambda _count: None
) -> None:
    """Write all images of a dataset whose row exists. The row is not locked against changes of its progress."""
    sizes = listing.annotations.sizes if listing.annotations else {}
    copying.copy_images(session, dataset_id, listing.images(progress), listing.image_ids, sizes)


def seal(session: Session, dataset: Dataset, listing: DirectoryListing) -> None:
    """Write annotations, detections and prompts of a dataset that has its images, and seal it."""
    annotations, detections, request = listing.annotations, listing.detections, listing.request
    dataset.image_count = len(listing.names)
    dataset.left_out = [asdict(one) for one in listing.left_out]
    dataset.detection_count = None if detections is None else len(detections)
    dataset.categories = None if annotations is None else list(annotations.categories)
    session.flush()
    if annotations is not None:
        strictly = {"strict": request.strict_annotations, "limited": request.limit is not None}
        write_annotations(session, dataset, annotations, listing.image_ids, **strictly)
    copying.copy_detections(session, dataset.id, detections or ())
    if listing.prompts is not None:
        write_prompts(session, dataset, listing.prompts, listing.limits, limited=request.limit is not None)
    close(session, dataset)


def _size(path: str, roots: Sequence[Path]) -> int:
    """Return the size of a file; 0 if it cannot be read, which raises its error later."""
    try:
        return os.stat(resolve_allowed(path, roots)).st_size  # noqa: PTH116 - the path may be of any form
    except OSError:
        return 0


def _of_images(
    detections: Detections | None, image_ids: Sequence[int], instances: CocoInstances | None, *, limited: bool
) -> Detections | None:
    if detections is None:
        return None
    others = frozenset(instances.image_ids.values()) if instances else None if limited else frozenset()
    return detections.of_images(frozenset(image_ids), others)
