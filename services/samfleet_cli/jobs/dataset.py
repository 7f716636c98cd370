"""Making a sealed dataset of what lies on this machine: by path where the server can read it, else by upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from samfleet.datasets.directory import FolderListing, FoundImage, list_images
from samfleet.datasets.left_out import LeftOutTally, describe
from samfleet.datasets.names import IMAGE_SUFFIXES, FileNameInvalid, is_image_name
from samfleet.errors import InvalidInput
from samfleet_cli.client.client import SamfleetClient
from samfleet_cli.client.schemas import Dataset
from samfleet_cli.client.transport import ApiError

BATCH_FILES = 32
BATCH_BYTES = 32 * 2**20  # several uploads a second on a slow line, so that the progress bar moves

_ANYWHERE = (Path("/"),)  # which folders may be read is for the file system to say, on one's own machine
# What the server cannot read and this machine can is sent to it.
_NOT_THE_SERVERS = {
    "directory_not_allowed",
    "directory_not_found",
    "directory_unreadable",
    "annotations_not_found",
    "detections_not_found",
}


class SourceNotSupported(InvalidInput):
    """The source is neither a folder nor an image file."""

    code = "source_not_supported"


@dataclass(frozen=True, slots=True)
class Source:
    """Images of one folder, or one image file, of this machine."""

    path: Path
    annotations: Path | None = None
    limit: int | None = None
    detections: Path | None = None
    strict_annotations: bool = False
    hidden: bool = False
    name: str | None = None

    @property
    def dataset_name(self) -> str | None:
        """As it was given, else the name of the folder or file; the root folder has none."""
        return self.name or self.path.resolve().name or None

    def listing(self) -> FolderListing:
        """The first `limit` of the images, which is what a server that reads the folder itself finds."""
        if self.path.is_file():
            if not is_image_name(self.path.name):
                raise SourceNotSupported(
                    f"{self.path} is not a folder, nor an image file by its suffix; "
                    f"images end in {', '.join(IMAGE_SUFFIXES)}"
                )
            return FolderListing([FoundImage(self.path.name, self.path, self.path.stat().st_size)], ())
        return list_images(str(self.path.resolve()), _ANYWHERE, self.limit, with_hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class UploadProgress:
    files: int
    total_files: int


def create_dataset(
    client: SamfleetClient,
    source: Source,
    *,
    upload: bool = False,
    on_progress: Callable[[UploadProgress], None] = lambda _progress: None,
) -> Dataset:
    """A sealed dataset. The server is asked to read a folder itself, unless `upload`; when it may not, or when what
    it finds under that path is something else (another machine can have the same path), the files are sent.
    """
    listing = source.listing()
    if source.path.is_dir() and not upload:
        dataset = _by_path(client, source)
        if dataset is not None and _is_same(client, dataset, listing.images):
            return dataset
    return _by_upload(client, source, listing, on_progress)


def _by_path(client: SamfleetClient, source: Source) -> Dataset | None:
    try:
        return client.create_directory_dataset(
            source.path.resolve(),
            name=source.dataset_name,
            annotations=source.annotations.resolve() if source.annotations else None,
            detections=source.detections.resolve() if source.detections else None,
            limit=source.limit,
            strict_annotations=source.strict_annotations,
            include_hidden=source.hidden,
        )
    except ApiError as error:
        if error.problem_code in _NOT_THE_SERVERS:
            return None
        raise


def _is_same(client: SamfleetClient, dataset: Dataset, files: Sequence[FoundImage]) -> bool:
    theirs = ((image.file_name, image.size_bytes) for image in client.dataset_images(dataset.id))
    ours = [(file.name, file.size_bytes) for file in files]
    return dataset.image_count == len(ours) and list(islice(theirs, len(ours))) == ours


def _by_upload(
    client: SamfleetClient,
    source: Source,
    listing: FolderListing,
    on_progress: Callable[[UploadProgress], None],
) -> Dataset:
    files = [file for file in listing.images if _is_sendable(file)]
    names = LeftOutTally()
    for file in listing.images:
        if not _is_sendable(file):
            names.add("name", file.name)
    if not files:
        raise FileNameInvalid(f"no image can be sent: {describe(names.all())}; rename the files")
    dataset = client.create_upload_dataset(name=source.dataset_name, left_out=(*listing.left_out, *names.all()))
    sent = 0
    on_progress(UploadProgress(0, len(files)))
    for batch in _batches(files):
        client.upload_images(dataset.id, [(file.name, file.path) for file in batch])
        sent += len(batch)
        on_progress(UploadProgress(sent, len(files)))
    if source.annotations is not None:
        client.upload_annotations(dataset.id, source.annotations)
    if source.detections is not None:
        client.upload_detections(dataset.id, source.detections)
    return client.seal_dataset(dataset.id, strict_annotations=source.strict_annotations)


def _is_sendable(file: FoundImage) -> bool:
    """Multipart forms turn a double quote into %22, and the server takes a backslash for a folder of Windows."""
    return file.fault is None and not {'"', "\\"} & set(file.name)


def _batches(files: Sequence[FoundImage]) -> Iterator[list[FoundImage]]:
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
