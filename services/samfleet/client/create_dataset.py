"""Creation of a sealed dataset: of local files, by path if the server can read them and otherwise by upload, or of a
bucket, a manifest or an archive, whose images the server reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from samfleet.client.calls import Calls
from samfleet.client.frames import are_frames_of
from samfleet.client.local_source import Source, SourceFiles
from samfleet.client.open_uploads import Sending, opened
from samfleet.client.routes import datasets
from samfleet.client.schemas import Dataset, DatasetError
from samfleet.client.server_sources import ServerSource
from samfleet.client.steps import Pause, Steps, ask
from samfleet.client.transport import ApiError
from samfleet.client.uploads import NamedImage, UploadProgress, uploaded
from samfleet.client.wait import Clock, Patience
from samfleet.datasets.folder_walk import FoundImage
from samfleet.datasets.left_out import LeftOutTally, describe
from samfleet.datasets.names import FileNameInvalid
from samfleet.errors import SamfleetError

LISTING_INTERVAL_SECONDS = 0.5

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
class PromptedSource:
    """Images that the server reads, and a prompts file of this machine or labels in `format`, which are uploaded."""

    images: ServerSource
    prompts: Path
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Callbacks for the progress of a dataset, and a clock in seconds."""

    on_progress: Callable[[UploadProgress], None] = lambda _progress: None
    on_listing: Callable[[Dataset], None] = lambda _dataset: None
    now: Callable[[], float] = time.monotonic


def create_dataset(
    client: Calls,
    source: Source | ServerSource | PromptedSource,
    *,
    upload: bool = False,
    on_progress: Callable[[UploadProgress], None] = lambda _progress: None,
    on_listing: Callable[[Dataset], None] = lambda _dataset: None,
    clock: Clock | None = None,
) -> Dataset:
    """Carry out `created_dataset`."""
    clock = clock or Clock()
    steps = created_dataset(source, Watch(on_progress, on_listing, clock.now), upload=upload)
    return client.carry_out(steps, sleep=clock.sleep)


def created_dataset(
    source: Source | ServerSource | PromptedSource, watch: Watch, *, upload: bool = False
) -> Steps[Dataset]:
    """Create a sealed dataset. Unless `upload` is set, the server first tries to read the folder itself. If it cannot,
    or if it finds different files (another machine may have the same path), the files are uploaded.
    """
    if isinstance(source, PromptedSource):
        return (yield from _prompted(source, watch))
    if not isinstance(source, Source):
        return (yield from _of_task(source.created(), watch))
    files = source.files()
    if source.path.is_dir() and not upload:
        dataset = yield from _by_path(source, watch)
        if dataset is not None and (yield from _is_same(dataset, source, files)):
            return dataset
    return (yield from sent_dataset(source, files, watch.on_progress))


def _prompted(source: PromptedSource, watch: Watch) -> Steps[Dataset]:
    """Create the dataset of the images and its version with the prompts, and delete the former."""
    base = yield from _of_task(source.images.created(), watch)
    try:
        limited = source.images.limit is not None
        dataset = yield from prompted_version(base.id, source.prompts, source.format, skip_others=limited)
    except (SamfleetError, OSError):
        yield from ask(datasets.delete_dataset(base.id))
        raise
    yield from ask(datasets.delete_dataset(base.id))
    return dataset


def prompted_version(
    dataset_id: str, prompts: Path, form: str | None = None, *, skip_others: bool = False
) -> Steps[Dataset]:
    """Upload a prompts file, or labels in the format `form`, to the next version of a dataset, and seal it.

    The version has the same images with the same ids. Prompts of other images are an error, unless `skip_others` is
    set. If the server refuses the prompts, it is deleted, so that it does not stand in the way of the next one.
    """
    version = yield from ask(datasets.extend_dataset(dataset_id))
    try:
        yield from ask(datasets.upload_prompts(version.id, prompts, form))
        return (yield from ask(datasets.seal_dataset(version.id, skip_other_prompts=skip_others)))
    except (SamfleetError, OSError):
        yield from ask(datasets.delete_dataset(version.id))
        raise


def refresh_dataset(
    client: Calls,
    dataset_id: str,
    *,
    on_listing: Callable[[Dataset], None] = lambda _dataset: None,
    clock: Clock | None = None,
) -> Dataset:
    """Return the sealed next version of a dataset. Raises `DatasetNotListed`, after deleting a version that failed."""
    clock = clock or Clock()
    steps = _of_task(ask(datasets.refresh_dataset(dataset_id)), Watch(on_listing=on_listing, now=clock.now))
    return client.carry_out(steps, sleep=clock.sleep)


def _of_task(creating: Steps[Dataset], watch: Watch) -> Steps[Dataset]:
    """Wait until the server has listed the images; delete the dataset if it could not."""
    created = yield from creating
    dataset = yield from _settled(created, watch)
    if dataset.error is not None:
        yield from ask(datasets.delete_dataset(dataset.id))
        raise _not_listed(dataset, dataset.error)
    return dataset


def _by_path(source: Source, watch: Watch) -> Steps[Dataset | None]:
    try:
        dataset = yield from ask(
            datasets.create_directory_dataset(
                source.path.resolve(),
                name=source.dataset_name,
                annotations=source.annotations.resolve() if source.annotations else None,
                detections=source.detections.resolve() if source.detections else None,
                prompts=source.prompts.resolve() if source.prompts else None,
                prompts_format=source.prompts_format,
                limit=source.limit,
                strict_annotations=source.strict_annotations,
                include_hidden=source.hidden,
                **source.frames,
            )
        )
    except ApiError as error:
        if error.problem_code in _NOT_THE_SERVERS:
            return None
        raise
    return (yield from _listed(dataset, watch))


def _listed(dataset: Dataset, watch: Watch) -> Steps[Dataset | None]:
    """Wait until a task of the server has listed the folder; None if the files must be uploaded."""
    dataset = yield from _settled(dataset, watch)
    if dataset.error is None:
        return dataset
    yield from ask(datasets.delete_dataset(dataset.id))
    if dataset.error.code in _NOT_THE_SERVERS:
        return None
    raise _not_listed(dataset, dataset.error)


def _settled(dataset: Dataset, watch: Watch) -> Steps[Dataset]:
    """Wait until a task of the server has listed the images or failed to."""
    patient = Patience(watch.now)
    while dataset.state == "listing":
        watch.on_listing(dataset)
        yield Pause(LISTING_INTERVAL_SECONDS)
        with patient:
            dataset = yield from ask(datasets.dataset(dataset.id))
    return dataset


def _not_listed(dataset: Dataset, error: DatasetError) -> DatasetNotListed:
    return DatasetNotListed(f"the server could not list {dataset.name}: {error.message} [{error.code}]")


def _is_same(dataset: Dataset, source: Source, files: SourceFiles) -> Steps[bool]:
    if source.frames:
        return (yield from are_frames_of(dataset, files.images(), limited=source.limit is not None))
    if dataset.image_count != files.count:
        return False
    ours = ((file.name, file.size_bytes) for file in files.images())
    pages, cursor, left = datasets.dataset_images(dataset.id), None, files.count
    while left:
        page = yield from ask(pages.page(cursor))
        for image in map(pages.parse, page["items"][:left]):
            if (image.file_name, image.size_bytes) != next(ours, None):
                return False
            left -= 1
        cursor = page["next"]
        if cursor is None:
            break
    return left == 0 and next(ours, None) is None


def sent_dataset(
    source: Source,
    files: SourceFiles,
    on_progress: Callable[[UploadProgress], None],
    sending: Sending = Sending(),  # noqa: B008 - it is immutable
) -> Steps[Dataset]:
    """Upload the files and what is said about them, and seal the dataset."""

    def wanted() -> Iterator[FoundImage]:
        return islice(files.images(), source.limit)

    names, total = LeftOutTally(), 0
    for file in wanted():
        if is_sendable(file):
            total += 1
        else:
            names.add("name", file.name)
    if not total:
        raise FileNameInvalid(f"no image can be uploaded: {describe(names.all())}; rename the files")
    dataset = yield from opened(source.dataset_name, (*files.left_out, *names.all()), sending, source.frames)
    if sending.resume is not None and dataset.state == "sealed" and (yield from _is_same(dataset, source, files)):
        return dataset
    sendable = filter(is_sendable, wanted())
    images = (NamedImage(file.name, file.path, file.size_bytes) for file in sendable)
    if source.prompts is not None:  # first, because the server validates them when they arrive
        yield from ask(datasets.upload_prompts(dataset.id, source.prompts, source.prompts_format))
    yield from uploaded(dataset.id, images, total, on_progress, parallel=sending.parallel)
    if source.annotations is not None:
        yield from ask(datasets.upload_annotations(dataset.id, source.annotations))
    if source.detections is not None:
        yield from ask(datasets.upload_detections(dataset.id, source.detections))
    rules = {"strict_annotations": source.strict_annotations, "skip_other_prompts": source.limit is not None}
    return (yield from ask(datasets.seal_dataset(dataset.id, **rules)))


def is_sendable(file: FoundImage) -> bool:
    """Return whether the name survives an upload: multipart forms encode a double quote as %22, and the server reads a
    backslash as a Windows path separator.
    """
    return file.fault is None and not {'"', "\\"} & set(file.name)
