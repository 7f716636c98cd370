"""Creation of a sealed dataset: of local files, by path if the server can read them and otherwise by upload, or of a
bucket or a manifest, whose images the server reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import Dataset, DatasetError
from samfleet.client.server_sources import ServerSource, SourceNotSupported
from samfleet.client.transport import ApiError
from samfleet.client.wait import Clock, Patience
from samfleet.datasets.directory import list_files
from samfleet.datasets.folder_walk import FoundImage, ListingLimits
from samfleet.datasets.left_out import LeftOut, LeftOutTally, describe
from samfleet.datasets.names import IMAGE_SUFFIXES, FileNameInvalid, is_image_name
from samfleet.errors import SamfleetError

LISTING_INTERVAL_SECONDS = 0.5
BATCH_FILES = 32
BATCH_BYTES = 32 * 2**20  # small enough that the progress bar moves on a slow connection

_ANYWHERE = (Path("/"),)  # on the user's own machine, only the file system's permissions limit access
_PATIENT = ListingLimits(seconds=math.inf)  # files are looked at until the last one is sent; the user may interrupt
# Errors after which the files are uploaded: the server cannot read them, but this machine can.
_NOT_THE_SERVERS = {
    "directory_not_allowed",
    "directory_not_found",
    "directory_unreadable",
    "annotations_not_found",
    "detections_not_found",
    "prompts_not_found",
}


class DatasetNotListed(SamfleetError):
    """The server could not list the images."""

    code = "dataset_not_listed"


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Image files of a source, sorted by name. Each call of `images` looks at them again, one by one; only the names
    are kept.
    """

    count: int
    left_out: tuple[LeftOut, ...]
    images: Callable[[], Iterator[FoundImage]]


@dataclass(frozen=True, slots=True)
class Source:
    """Images of a local folder, or a single local image file."""

    path: Path
    annotations: Path | None = None
    limit: int | None = None
    detections: Path | None = None
    strict_annotations: bool = False
    hidden: bool = False
    name: str | None = None
    prompts: Path | None = None

    @property
    def dataset_name(self) -> str | None:
        """Given name, or else the name of the folder or file; None for the root folder."""
        return self.name or self.path.resolve().name or None

    def files(self) -> SourceFiles:
        """List the first `limit` images, as a server that reads the folder itself does."""
        if self.path.is_file():
            if not is_image_name(self.path.name):
                raise SourceNotSupported(
                    f"{self.path} is neither a folder nor, by its suffix, an image file; "
                    f"images end in {', '.join(IMAGE_SUFFIXES)}"
                )
            image = FoundImage(self.path.name, str(self.path), self.path.stat().st_size)
            return SourceFiles(1, (), lambda: iter([image]))
        found = list_files(str(self.path.resolve()), _ANYWHERE, self.limit, _PATIENT, with_hidden=self.hidden)
        return SourceFiles(len(found.names), found.left_out, found.images)


@dataclass(frozen=True, slots=True)
class UploadProgress:
    files: int
    total_files: int


def create_dataset(
    client: SamfleetClient,
    source: Source | ServerSource,
    *,
    upload: bool = False,
    on_progress: Callable[[UploadProgress], None] = lambda _progress: None,
    on_listing: Callable[[Dataset], None] = lambda _dataset: None,
    clock: Clock | None = None,
) -> Dataset:
    """Create a sealed dataset. Unless `upload` is set, the server first tries to read the folder itself. If it cannot,
    or if it finds different files (another machine may have the same path), the files are uploaded.
    """
    if not isinstance(source, Source):
        return _of_task(client, source.create(client), on_listing, clock or Clock())
    files = source.files()
    if source.path.is_dir() and not upload:
        dataset = _by_path(client, source, on_listing, clock or Clock())
        if dataset is not None and _is_same(client, dataset, files):
            return dataset
    return _by_upload(client, source, files, on_progress)


def refresh_dataset(
    client: SamfleetClient,
    dataset_id: str,
    *,
    on_listing: Callable[[Dataset], None] = lambda _dataset: None,
    clock: Clock | None = None,
) -> Dataset:
    """Return the sealed next version of a dataset. Raises `DatasetNotListed`, after deleting a version that failed."""
    return _of_task(client, client.refresh_dataset(dataset_id), on_listing, clock or Clock())


def _of_task(client: SamfleetClient, dataset: Dataset, on_listing: Callable[[Dataset], None], clock: Clock) -> Dataset:
    """Wait until the server has listed the images; delete the dataset if it could not."""
    dataset = _settled(client, dataset, on_listing, clock)
    if dataset.error is not None:
        client.delete_dataset(dataset.id)
        raise _not_listed(dataset, dataset.error)
    return dataset


def _by_path(
    client: SamfleetClient, source: Source, on_listing: Callable[[Dataset], None], clock: Clock
) -> Dataset | None:
    try:
        dataset = client.create_directory_dataset(
            source.path.resolve(),
            name=source.dataset_name,
            annotations=source.annotations.resolve() if source.annotations else None,
            detections=source.detections.resolve() if source.detections else None,
            prompts=source.prompts.resolve() if source.prompts else None,
            limit=source.limit,
            strict_annotations=source.strict_annotations,
            include_hidden=source.hidden,
        )
    except ApiError as error:
        if error.problem_code in _NOT_THE_SERVERS:
            return None
        raise
    return _listed(client, dataset, on_listing, clock)


def _listed(
    client: SamfleetClient, dataset: Dataset, on_listing: Callable[[Dataset], None], clock: Clock
) -> Dataset | None:
    """Wait until a task of the server has listed the folder; None if the files must be uploaded."""
    dataset = _settled(client, dataset, on_listing, clock)
    if dataset.error is None:
        return dataset
    client.delete_dataset(dataset.id)
    if dataset.error.code in _NOT_THE_SERVERS:
        return None
    raise _not_listed(dataset, dataset.error)


def _settled(client: SamfleetClient, dataset: Dataset, on_listing: Callable[[Dataset], None], clock: Clock) -> Dataset:
    """Wait until a task of the server has listed the images or failed to."""
    patient = Patience(clock)
    while dataset.state == "listing":
        on_listing(dataset)
        clock.sleep(LISTING_INTERVAL_SECONDS)
        with patient:
            dataset = client.dataset(dataset.id)
    return dataset


def _not_listed(dataset: Dataset, error: DatasetError) -> DatasetNotListed:
    return DatasetNotListed(f"the server could not list {dataset.name}: {error.message} [{error.code}]")


def _is_same(client: SamfleetClient, dataset: Dataset, files: SourceFiles) -> bool:
    if dataset.image_count != files.count:
        return False
    theirs = ((image.file_name, image.size_bytes) for image in client.dataset_images(dataset.id))
    ours = ((file.name, file.size_bytes) for file in files.images())
    return all(one == other for one, other in zip_longest(islice(theirs, files.count), ours))


def _by_upload(
    client: SamfleetClient,
    source: Source,
    files: SourceFiles,
    on_progress: Callable[[UploadProgress], None],
) -> Dataset:
    names, total = LeftOutTally(), 0
    for file in files.images():
        if _is_sendable(file):
            total += 1
        else:
            names.add("name", file.name)
    if not total:
        raise FileNameInvalid(f"no image can be uploaded: {describe(names.all())}; rename the files")
    dataset = client.create_upload_dataset(name=source.dataset_name, left_out=(*files.left_out, *names.all()))
    sent = 0
    on_progress(UploadProgress(0, total))
    for batch in _batches(filter(_is_sendable, files.images())):
        client.upload_images(dataset.id, [(file.name, file.path) for file in batch])
        sent += len(batch)
        on_progress(UploadProgress(sent, total))
    if source.annotations is not None:
        client.upload_annotations(dataset.id, source.annotations)
    if source.detections is not None:
        client.upload_detections(dataset.id, source.detections)
    if source.prompts is not None:
        client.upload_prompts(dataset.id, source.prompts)
    return client.seal_dataset(dataset.id, strict_annotations=source.strict_annotations)


def _is_sendable(file: FoundImage) -> bool:
    """Return whether the name survives an upload: multipart forms encode a double quote as %22, and the server reads a
    backslash as a Windows path separator.
    """
    return file.fault is None and not {'"', "\\"} & set(file.name)


def _batches(files: Iterable[FoundImage]) -> Iterator[list[FoundImage]]:
    batch: list[FoundImage] = []
    size = 0
    for file in files:
        if batch and (len(batch) == BATCH_FILES or size + file.size_bytes > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size_bytes
    if batch:
        yield batch
