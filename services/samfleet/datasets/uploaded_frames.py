"""Frames of uploaded files, which replace their files when the dataset is sealed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.copying import NewImage
from samfleet.datasets.frame_addresses import PREFIX
from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.listing import FrameLister, FrameNameTaken
from samfleet.datasets.names import has_frames
from samfleet.datasets.service import DatasetTooLarge
from samfleet.datasets.upload_errors import DatasetChanged
from samfleet.db.models import Dataset, DatasetImage
from samfleet.storage.store import ObjectStore

NAME_OF_FRAME = "/[0-9]{6}\\.png$"


@dataclass(frozen=True, slots=True)
class UploadedFrames:
    """The images that replace each uploaded file, by its address and name."""

    images: Mapping[tuple[str, str], Sequence[NewImage]]

    @property
    def files(self) -> frozenset[str]:
        return frozenset(name for _, name in self.images)


def find_frames(
    session: Session, store: ObjectStore, dataset: Dataset, limits: FrameLimits, most: int | None
) -> UploadedFrames | None:
    """Return the chosen frames of the files of an open dataset; None if it takes whole files.

    Raises `DatasetTooLarge` above `most` images, and the retryable error of a store that does not respond.
    """
    choice = FrameChoice.of((dataset.listing or {}).get("frames"))
    if choice is None:
        return None
    lister = FrameLister(choice, FrameFiles(store, {}, {}, limits))
    found: dict[tuple[str, str], Sequence[NewImage]] = {}
    with closing(lister.images_of_all(_uploaded(session, dataset.id))) as files:
        for file, images in files:
            found[file.uri, file.file_name] = images
            _require_room(dataset, sum(map(len, found.values())), most)
    return UploadedFrames(found)


def replace_files(session: Session, dataset: Dataset, frames: UploadedFrames, most: int | None) -> None:
    """Put the frames in place of their files in a locked, open dataset.

    Raises `DatasetChanged` if files came or went since they were looked at, and `FrameNameTaken`.
    """
    if {(file.uri, file.file_name) for file in _uploaded(session, dataset.id)} != set(frames.images):
        raise DatasetChanged
    for (uri, name), images in frames.images.items():
        if [image.file_name for image in images] == [name] and images[0].uri == uri:
            continue
        of_file = DatasetImage.dataset_id == dataset.id, DatasetImage.file_name == name
        session.execute(delete(DatasetImage).where(*of_file))
        taken = repository.uris_of(session, dataset.id, [image.file_name for image in images])
        if taken:
            raise FrameNameTaken(f"{min(taken)!r} is the name of an image and of a frame of {name!r}; rename one")
        repository.add_images(session, dataset.id, images)
        dataset.image_count += len(images) - 1
    _require_room(dataset, dataset.image_count, most)


def drop_replaced(session: Session, dataset: Dataset, frames: UploadedFrames) -> None:
    """Remove frames of the base from a version to which their file was uploaded again, perhaps with fewer frames."""
    new = [image.file_name for images in frames.images.values() for image in images]
    file = func.regexp_replace(DatasetImage.file_name, NAME_OF_FRAME, "")
    old = DatasetImage.dataset_id == dataset.id, file.in_(frames.files), DatasetImage.file_name.not_in(new)
    removed = session.execute(delete(DatasetImage).where(*old, DatasetImage.uri.regexp_match(PREFIX)))
    dataset.image_count -= removed.rowcount  # type: ignore[attr-defined]


def _uploaded(session: Session, dataset_id: uuid.UUID) -> list[NewImage]:
    """Return the files of a dataset that may have frames."""
    query = select(DatasetImage.file_name, DatasetImage.uri, DatasetImage.size_bytes)
    rows = session.execute(query.where(DatasetImage.dataset_id == dataset_id).order_by(DatasetImage.id))
    return [NewImage(*row) for row in rows if has_frames(row.file_name)]


def _require_room(dataset: Dataset, images: int, most: int | None) -> None:
    if most is not None and images > most:
        raise DatasetTooLarge(
            f"dataset {dataset.id} would have more than {most} images with the frames of its files; make several "
            "datasets, choose fewer frames, or raise SAMFLEET_MAX_DATASET_IMAGES"
        )
