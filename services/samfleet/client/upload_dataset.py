"""Uploads that the caller asks for: a whole dataset, or images for the next version of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from samfleet.client.calls import Calls
from samfleet.client.create_dataset import is_sendable, sent_dataset
from samfleet.client.local_source import Source
from samfleet.client.open_uploads import Sending
from samfleet.client.routes import datasets
from samfleet.client.schemas import Dataset
from samfleet.client.steps import ask
from samfleet.client.uploads import NamedImage, UploadProgress, uploaded
from samfleet.datasets.names import FileNameInvalid


def upload_dataset(
    client: Calls,
    source: Source,
    sending: Sending,
    *,
    on_progress: Callable[[UploadProgress], None] = lambda _progress: None,
) -> Dataset:
    """Upload a folder or a file and seal the dataset. Of an interrupted upload, only the rest is sent.

    A dataset that is sealed already, with the same names and sizes, is returned.
    """
    return client.carry_out(sent_dataset(source, source.files(), on_progress, sending))


def prompt_dataset(
    client: Calls, dataset_id: str, prompts: Path, form: str | None = None, *, skip_others: bool = False
) -> Dataset:
    """Upload a prompts file, or labels in the format `form`, to the next version of a dataset, and seal it.

    Prompts of images that it does not have are an error, unless `skip_others` is set. The version has the same images
    with the same ids. If anything fails or is interrupted, it is deleted, so that it does not stand in the way of the
    next one.
    """
    version = client.carry_out(ask(datasets.extend_dataset(dataset_id)))
    try:
        client.carry_out(ask(datasets.upload_prompts(version.id, prompts, form)))
        return client.carry_out(ask(datasets.seal_dataset(version.id, skip_other_prompts=skip_others)))
    except BaseException:
        client.carry_out(ask(datasets.delete_dataset(version.id)))
        raise


def extend_dataset(
    client: Calls,
    dataset_id: str,
    paths: Sequence[Path],
    *,
    hidden: bool = False,
    on_progress: Callable[[UploadProgress], None] = lambda _progress: None,
) -> Dataset:
    """Upload images of folders and files to the next version of a dataset, and seal it.

    Names are relative to their folder. An image of the dataset with the same name is replaced. If the dataset takes
    frames, so does the version, and files that are images only as frames are sent too. If anything fails or is
    interrupted, the version is deleted, so that it does not stand in the way of the next one.
    """
    chosen = client.carry_out(ask(datasets.dataset(dataset_id))).chosen_frames
    sources = [Source(path, hidden=hidden, frames=chosen).files() for path in paths]
    found = [image for source in sources for image in source.images()]
    if odd := [image.name for image in found if not is_sendable(image)]:
        raise FileNameInvalid(f"{odd[0]!r} cannot be uploaded; rename the file")
    images = (NamedImage(image.name, image.path, image.size_bytes) for image in found)
    version = client.carry_out(ask(datasets.extend_dataset(dataset_id)))
    try:
        client.carry_out(uploaded(version.id, images, len(found), on_progress))
        return client.carry_out(ask(datasets.seal_dataset(version.id)))
    except BaseException:
        client.carry_out(ask(datasets.delete_dataset(version.id)))
        raise
