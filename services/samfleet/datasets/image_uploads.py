"""Images added to an open dataset: by their bytes, or by the hash of bytes that the tenant has uploaded before.

A hash proves nothing, so it only finds contents of the same tenant. The server computes the hashes of what it stores.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.contents import NewContent, add_contents, find_contents, new_key, use_contents
from samfleet.datasets.copying import NewImage
from samfleet.datasets.names import check_upload_name
from samfleet.datasets.open_datasets import lock_open, require_open
from samfleet.datasets.service import DatasetTooLarge, InputLimits, get_dataset
from samfleet.datasets.stored_files import CHUNK_BYTES
from samfleet.datasets.upload_errors import DatasetChanged, FileNameTaken, ImageTooLarge
from samfleet.db.models import Dataset, DatasetImage, StoredContent
from samfleet.db.session import read_only, transaction
from samfleet.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class UploadedFile:
    name: str
    content: IO[bytes]


@dataclass(frozen=True, slots=True)
class NamedHash:
    """A file that a client has: its name in the dataset, its size and its SHA-256 (hexadecimal, lower case)."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ByHash:
    """Result of `add_by_hash`: names whose bytes the server needs, and the numbers of the others."""

    missing: Sequence[str]
    added: int
    present: int


def add_images(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    files: Sequence[UploadedFile],
    *,
    max_image_bytes: int,
    limits: InputLimits,
) -> Sequence[DatasetImage]:
    """Add all the files or none, and return their images. A file that the dataset already has changes nothing."""
    _check_names([file.name for file in files])
    with read_only(engine) as session:
        require_open(get_dataset(session, tenant_id, dataset_id))
    hashed = [_hashed(file, max_image_bytes) for file in files]
    with read_only(engine) as session:
        known = find_contents(session, tenant_id, _hashes(hashed))
        _present(session, dataset_id, hashed, known)
    with ExitStack() as undo:
        new: dict[str, NewContent] = {}
        for file, one in zip(files, hashed, strict=True):
            if one.sha256 not in known and one.sha256 not in new:
                key = new_key(tenant_id)
                store.put_stream(key, _chunks(file.content))
                undo.callback(store.delete, key)
                new[one.sha256] = NewContent(one.sha256, one.size_bytes, key)
        with transaction(engine) as session:
            images, used = _record(session, tenant_id, dataset_id, hashed, new.values(), limits)
            undo.pop_all()  # a commit that fails may have been carried out; the walk over all objects deletes leftovers
    for key in {content.key for content in new.values()} - used:  # another request stored the same bytes meanwhile
        store.delete(key)
    return images


def add_by_hash(
    engine: Engine,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    files: Sequence[NamedHash],
    *,
    max_image_bytes: int,
    limits: InputLimits,
) -> ByHash:
    """Add the files whose bytes the tenant has uploaded before, and name the others. A repetition changes nothing."""
    _check_names([file.name for file in files])
    for file in files:
        _check_size(file.name, file.size_bytes, max_image_bytes)
    with transaction(engine) as session:
        dataset = lock_open(session, tenant_id, dataset_id)
        known = find_contents(session, tenant_id, _hashes(files), locked=True)
        present = _present(session, dataset_id, files, known)
        absent = [file for file in files if file.name not in present]
        found = [file for file in absent if file.sha256 in known]
        _add(session, dataset, found, known, limits)
    missing = [file.name for file in absent if file.sha256 not in known]
    return ByHash(missing, added=len(found), present=len(present))


def _record(
    session: Session,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    files: Sequence[NamedHash],
    new: Collection[NewContent],
    limits: InputLimits,
) -> tuple[Sequence[DatasetImage], frozenset[str]]:
    """Write the rows of stored files; return their images and the keys of their contents."""
    dataset = lock_open(session, tenant_id, dataset_id)
    add_contents(session, tenant_id, new)
    known = find_contents(session, tenant_id, _hashes(files), locked=True)
    if len(known) < len(_hashes(files)):
        raise DatasetChanged("an earlier upload of the same bytes was removed at this moment; send the request again")
    present = _present(session, dataset_id, files, known)
    _add(session, dataset, [file for file in files if file.name not in present], known, limits)
    named = select(DatasetImage).where(
        DatasetImage.dataset_id == dataset_id, DatasetImage.file_name.in_([file.name for file in files])
    )
    return session.scalars(named).all(), frozenset(content.key for content in known.values())


def _add(
    session: Session,
    dataset: Dataset,
    files: Sequence[NamedHash],
    known: Mapping[str, StoredContent],
    limits: InputLimits,
) -> None:
    """Add images with known contents, which are locked, to a locked dataset that has none of the names."""
    if not files:
        return
    images = [NewImage(file.name, _uri(known[file.sha256]), known[file.sha256].size_bytes) for file in files]
    _require_room(dataset, images, limits)
    repository.add_images(session, dataset.id, images)
    use_contents(session, dataset.id, {known[file.sha256].id for file in files})
    size = sum(image.size_bytes for image in images)
    dataset.image_count += len(images)
    dataset.stored_bytes += size
    dataset.content_bytes += size
    dataset.stored_objects += len(images)
    dataset.content_objects += len(images)


def _present(
    session: Session, dataset_id: uuid.UUID, files: Sequence[NamedHash], known: Mapping[str, StoredContent]
) -> frozenset[str]:
    """Return the names that the dataset has with the same bytes. Raises `FileNameTaken` if it has others."""
    taken = repository.uris_of(session, dataset_id, [file.name for file in files])
    for file in files:
        content = known.get(file.sha256)
        if file.name in taken and (content is None or taken[file.name] != _uri(content)):
            raise _name_taken(file.name)
    return frozenset(taken)


def _uri(content: StoredContent) -> str:
    return STORE_SCHEME + content.key


def _hashes(files: Iterable[NamedHash]) -> frozenset[str]:
    return frozenset(file.sha256 for file in files)


def _check_names(names: Sequence[str]) -> None:
    """Raise `FileNameInvalid`, or `FileNameTaken` for a name that comes twice."""
    for name in names:
        check_upload_name(name)
    for name, times in Counter(names).items():
        if times > 1:
            raise _name_taken(name)


def _name_taken(name: str) -> FileNameTaken:
    return FileNameTaken(f"the dataset already has an image named {name!r}; names must be unique")


def _check_size(name: str, size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise ImageTooLarge(f"{name!r} has more than {max_bytes} bytes, the most this server accepts")


def _hashed(file: UploadedFile, max_bytes: int) -> NamedHash:
    size, digest = 0, hashlib.sha256()
    for chunk in _chunks(file.content):
        size += len(chunk)
        _check_size(file.name, size, max_bytes)
        digest.update(chunk)
    return NamedHash(file.name, size, digest.hexdigest())


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _require_room(dataset: Dataset, images: Sequence[NewImage], limits: InputLimits) -> None:
    """Raise `DatasetTooLarge` if the locked dataset has no room. Its counters are those of its images."""
    if dataset.image_count + len(images) > limits.images:
        raise DatasetTooLarge(
            f"dataset {dataset.id} would have more than {limits.images} images; make several datasets, or raise "
            "SAMFLEET_MAX_DATASET_IMAGES"
        )
    files = (dataset.annotations_bytes, dataset.detections_bytes, dataset.prompts_bytes)
    images_bytes = dataset.stored_bytes - sum(size or 0 for size in files)
    if images_bytes + sum(image.size_bytes for image in images) > limits.total_bytes:
        raise DatasetTooLarge(
            f"dataset {dataset.id} would have more than {limits.total_bytes} bytes; make several datasets, or raise "
            "SAMFLEET_MAX_DATASET_BYTES"
        )
