"""Datasets filled over HTTP.

Bytes are stored before rows are written. So no transaction waits for storage, and a crash between the two leaves an
unused object, never a row without its image.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Literal

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from samfleet.datasets import copying, repository
from samfleet.datasets.annotate import ids_of, write_annotations
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.copying import NewImage
from samfleet.datasets.detections import Detections, read_detections
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.filling import close
from samfleet.datasets.names import check_upload_name
from samfleet.datasets.prompts import count_prompts, write_prompts
from samfleet.datasets.service import DatasetTooLarge, InputLimits, found, get_dataset, require_listed
from samfleet.datasets.stored_files import (
    CHUNK_BYTES,
    from_start,
    keys_of,
    stored,
    stored_annotations,
    stored_detections,
)
from samfleet.datasets.upload_errors import DatasetChanged, DatasetSealed, FileNameTaken, ImageTooLarge
from samfleet.datasets.version_changes import carry_over
from samfleet.db.models import Dataset, DatasetImage, DatasetState
from samfleet.db.session import read_only, transaction
from samfleet.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class UploadedFile:
    name: str
    content: IO[bytes]


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
    """Add all the files or none."""
    names = [check_upload_name(file.name) for file in files]
    with read_only(engine) as session:
        _require_open(get_dataset(session, tenant_id, dataset_id))
        _refuse_taken([*_repeated(names), *repository.names_taken(session, dataset_id, names)])
    with ExitStack() as undo:
        images = []
        for file in files:
            key = f"datasets/{dataset_id}/images/{uuid.uuid4().hex}/{file.name.rpartition('/')[2]}"
            size = store.put_stream(key, _limited(file, max_image_bytes))
            undo.callback(store.delete, key)
            images.append(NewImage(file.name, f"store:{key}", size))
        with transaction(engine) as session:
            added = _record_images(session, tenant_id, dataset_id, images, limits)
        undo.pop_all()
    return added


def put_annotations(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    content: IO[bytes],
    limits: AnnotationLimits,
) -> Dataset:
    """Validate the file and store it unchanged; its images are matched when the dataset is sealed."""

    def check() -> dict[str, Any]:
        instances = read_annotations(partial(from_start, content), limits)
        count = sum(1 for _ in instances.annotations())
        return {"annotation_count": count, "categories": list(instances.categories)}

    return _put_file(engine, store, tenant_id, dataset_id, content, "annotations", check)


def put_detections(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    content: IO[bytes],
    limits: AnnotationLimits,
) -> Dataset:
    """Validate the file and store it unchanged; its image ids are matched when the dataset is sealed."""

    def check() -> dict[str, Any]:
        return {"detection_count": len(read_detections(content, limits))}

    return _put_file(engine, store, tenant_id, dataset_id, content, "detections", check)


def put_prompts(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    content: IO[bytes],
    limits: AnnotationLimits,
) -> Dataset:
    """Validate the file and store it unchanged; its images are matched when the dataset is sealed."""

    def check() -> dict[str, Any]:
        return {"prompt_count": count_prompts(content, limits)}

    return _put_file(engine, store, tenant_id, dataset_id, content, "prompts", check)


def _put_file(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    content: IO[bytes],
    kind: Literal["annotations", "detections", "prompts"],
    check: Callable[[], Mapping[str, Any]],
) -> Dataset:
    """Store a file of an open dataset in place of an earlier one. `check` validates it and returns its columns."""
    with read_only(engine) as session:
        _require_open(get_dataset(session, tenant_id, dataset_id))
    columns = check()
    with stored(store, f"datasets/{dataset_id}/{kind}", content) as (key, size), transaction(engine) as session:
        dataset = _lock_open(session, tenant_id, dataset_id)
        replaced: str | None = getattr(dataset, f"{kind}_key")
        _count_file(dataset, getattr(dataset, f"{kind}_bytes"), size)
        for name, value in {f"{kind}_key": key, f"{kind}_bytes": size, **columns}.items():
            setattr(dataset, name, value)
    if replaced is not None:
        store.delete(replaced)
    return dataset


def seal(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    limits: AnnotationLimits,
    *,
    strict_annotations: bool = False,
    most_images: int | None = None,
) -> Dataset:
    """Sort the images by name, number them and seal the dataset; a second call changes nothing.

    A version gets its base's images too, at most `most_images`. With `strict_annotations`, every image needs
    annotations and every annotation an image.
    """
    with read_only(engine) as session:
        dataset = get_dataset(session, tenant_id, dataset_id)
    if require_listed(dataset).state is DatasetState.SEALED:
        return dataset
    instances = stored_annotations(store, dataset.annotations_key, limits)
    detections = stored_detections(store, dataset.detections_key, limits)
    with transaction(engine) as session:
        locked = found(repository.lock(session, tenant_id, dataset_id), dataset_id)
        if locked.state is DatasetState.OPEN:
            if keys_of(locked) != keys_of(dataset):
                raise DatasetChanged
            carry_over(session, locked, most_images)
            _number(session, locked, instances, detections, strict_annotations=strict_annotations)
            if locked.prompts_key is not None:
                session.flush()
                write_prompts(session, locked, partial(store.open, locked.prompts_key), limits)
            close(session, locked)
    return locked


def _number(
    session: Session,
    dataset: Dataset,
    instances: CocoInstances | None,
    detections: Detections | None,
    *,
    strict_annotations: bool,
) -> None:
    if not dataset.image_count:
        raise DatasetEmpty(f"dataset {dataset.id} has no images; upload some before sealing it")
    image_ids: Sequence[int] = range(1, dataset.image_count + 1)
    if instances is None:
        repository.number_by_name(session, dataset.id)
    else:
        image_ids = _number_as_annotated(session, dataset, instances)
        write_annotations(session, dataset, instances, image_ids, strict=strict_annotations)
    if detections is not None:
        others = frozenset(instances.image_ids.values()) if instances else frozenset[int]()
        kept = detections.of_images(frozenset(image_ids), others)
        copying.copy_detections(session, dataset.id, kept)
        dataset.detection_count = len(kept)


def _number_as_annotated(session: Session, dataset: Dataset, instances: CocoInstances) -> Sequence[int]:
    """Number the images and return their ids. Their names are read, because entries are matched to them."""
    images = repository.names_in_order(session, dataset.id)
    image_ids = ids_of([name for _, name in images], instances)
    repository.number_images(session, [row_id for row_id, _ in images], image_ids, instances.sizes)
    return image_ids


def _record_images(
    session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID, images: Sequence[NewImage], limits: InputLimits
) -> Sequence[DatasetImage]:
    dataset = _lock_open(session, tenant_id, dataset_id)
    _require_room(dataset, images, limits)
    added = repository.add_images(session, dataset.id, images)
    _refuse_taken(sorted({image.file_name for image in images} - {image.file_name for image in added}))
    dataset.image_count += len(added)
    dataset.stored_bytes += sum(image.size_bytes for image in added)
    dataset.stored_objects += len(added)
    return added


def _count_file(dataset: Dataset, replaced: int | None, size: int) -> None:
    """Count a stored file of a dataset, and no longer the one that it replaces."""
    dataset.stored_bytes += size - (replaced or 0)
    dataset.stored_objects += replaced is None


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


def _lock_open(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    return _require_open(found(repository.lock(session, tenant_id, dataset_id), dataset_id))


def _require_open(dataset: Dataset) -> Dataset:
    require_listed(dataset)
    if dataset.state is DatasetState.SEALED:
        raise DatasetSealed(f"dataset {dataset.id} is sealed and never changes again; create another one")
    return dataset


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _refuse_taken(names: Sequence[str]) -> None:
    if names:
        raise FileNameTaken(f"the dataset already has an image named {names[0]!r}; names must be unique")


def _limited(file: UploadedFile, max_bytes: int) -> Iterator[bytes]:
    size = 0
    while chunk := file.content.read(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise ImageTooLarge(f"{file.name!r} has more than {max_bytes} bytes, the most this server accepts")
        yield chunk
