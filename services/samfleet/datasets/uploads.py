"""Files about the images of an open dataset, filled over HTTP, and sealing.

Bytes are stored before rows are written. So no transaction waits for storage, and a crash between the two leaves an
unused object, never a row without its image.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any, Literal

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from samfleet.datasets import copying, repository
from samfleet.datasets.annotate import ids_of, write_annotations
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.detections import Detections, read_detections
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.filling import close
from samfleet.datasets.open_datasets import lock_open, require_open
from samfleet.datasets.prompt_formats.uploaded import LabelFormat, count_uploaded
from samfleet.datasets.prompts import count_prompts, write_prompts
from samfleet.datasets.service import InputLimits, found, get_dataset, require_listed
from samfleet.datasets.stored_files import (
    from_start,
    keys_of,
    stored,
    stored_annotations,
    stored_detections,
)
from samfleet.datasets.stored_prompts import stored_prompts
from samfleet.datasets.upload_errors import DatasetChanged
from samfleet.datasets.uploaded_frames import UploadedFrames, drop_replaced, find_frames, replace_files
from samfleet.datasets.version_changes import carry_over, repeat_base
from samfleet.db.models import Dataset, DatasetState
from samfleet.db.object_hold import may_delete_objects
from samfleet.db.session import read_only, transaction
from samfleet.storage.store import ObjectStore


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
    limits: InputLimits,
    form: LabelFormat | None = None,
) -> Dataset:
    """Validate a prompts file, or labels of another tool in this format, and store it unchanged.

    Its images are matched when the dataset is sealed.
    """

    def check() -> dict[str, Any]:
        if form is None:
            count = count_prompts(content, limits.annotations)
        else:
            count = count_uploaded(content, form, limits.annotations, limits.file_bytes)
        return {"prompt_count": count, "prompts_format": form}

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
        require_open(get_dataset(session, tenant_id, dataset_id))
    columns = check()
    with stored(store, f"datasets/{dataset_id}/{kind}", content) as file, transaction(engine) as session:
        dataset = lock_open(session, tenant_id, dataset_id)
        replaced: str | None = getattr(dataset, f"{kind}_key")
        _count_file(dataset, getattr(dataset, f"{kind}_bytes"), file.size_bytes)
        for name, value in {f"{kind}_key": file.key, f"{kind}_bytes": file.size_bytes, **columns}.items():
            setattr(dataset, name, value)
        file.keep()
    if replaced is not None:
        with may_delete_objects(engine) as allowed:  # otherwise the walk over all objects deletes it
            if allowed:
                store.delete(replaced)
    return dataset


def seal(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    limits: InputLimits,
    *,
    strict_annotations: bool = False,
    skip_other_prompts: bool = False,
) -> Dataset:
    """Sort the images by name, number them and seal the dataset; a second call changes nothing.

    The chosen frames of files come in place of them. A version gets its base's images too, at most `limits.images`;
    one to which only prompts were uploaded gets all that its base has, with the same ids. With `strict_annotations`,
    every image needs annotations and every annotation an image. Prompts of images that the dataset does not have are
    an error, or with `skip_other_prompts` left out.
    """
    with read_only(engine) as session:
        dataset = get_dataset(session, tenant_id, dataset_id)
    if require_listed(dataset).state is DatasetState.SEALED:
        return dataset
    instances = stored_annotations(store, dataset.annotations_key, limits.annotations)
    detections = stored_detections(store, dataset.detections_key, limits.annotations)
    with read_only(engine) as session:
        frames = find_frames(session, store, dataset, limits.frames, limits.images)
    with transaction(engine) as session:
        locked = found(repository.lock(session, tenant_id, dataset_id), dataset_id)
        if locked.state is DatasetState.OPEN:
            if keys_of(locked) != keys_of(dataset):
                raise DatasetChanged
            if not repeat_base(session, locked):
                _complete(session, locked, frames, limits.images)
                _number(session, locked, instances, detections, strict_annotations=strict_annotations)
            session.flush()
            prompts = stored_prompts(session, store, locked, limits, limited=skip_other_prompts)
            if prompts is not None:
                write_prompts(session, locked, prompts, limits.annotations, limited=skip_other_prompts)
            close(session, locked)
    return locked


def _complete(session: Session, dataset: Dataset, frames: UploadedFrames | None, most: int) -> None:
    """Put frames in place of their files, and add the images of the base."""
    if frames is not None:
        replace_files(session, dataset, frames, most)
    carry_over(session, dataset, most)
    if frames is not None:
        drop_replaced(session, dataset, frames)


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


def _count_file(dataset: Dataset, replaced: int | None, size: int) -> None:
    """Count a stored file of a dataset, and no longer the one that it replaces."""
    dataset.stored_bytes += size - (replaced or 0)
    dataset.stored_objects += replaced is None
