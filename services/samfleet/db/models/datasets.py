from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Identity, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId, HasLabels, label_index, text_enum


class DatasetSource(enum.StrEnum):
    DIRECTORY = "directory"
    UPLOAD = "upload"
    S3 = "s3"
    MANIFEST = "manifest"
    ARCHIVE = "archive"


class DatasetState(enum.StrEnum):
    LISTING = "listing"  # a task is looking for its images
    OPEN = "open"
    SEALED = "sealed"
    FAILED = "failed"  # could not be listed; `error_code` says why


class Dataset(HasId, HasCreatedAt, HasLabels, Base):
    """A list of images; once sealed it never changes, except for its name, labels and notes.

    `content_sha256` hashes the list (names, sizes, ids, order), the annotations, the detections and the prompts, but
    not the dataset's name: reports treat two datasets with the same hash as one. The database computes it
    (`dataset_content`).

    `listing` has the request of a dataset that a task lists, `listed` the files, folders, keys or lines that it has
    looked at, and `sent_at` the time of the last `datasets.list`, or of the last sign of life of that task.

    The versions of a dataset are separate rows: `series_id` is the id of version 1, and None in that version.
    `base_id` is the version from which this one was made, and `changes` counts how their images differ
    (`samfleet.datasets.versions`). Neither id is a foreign key, because the other row may be removed.

    `deleted_at` hides a dataset from its tenant; its rows and objects are removed later.
    """

    __tablename__ = "datasets"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[DatasetSource] = mapped_column(text_enum(DatasetSource, "source"))
    directory: Mapped[str | None]
    state: Mapped[DatasetState] = mapped_column(text_enum(DatasetState, "state"), default=DatasetState.OPEN)
    image_count: Mapped[int] = mapped_column(default=0)
    annotation_count: Mapped[int | None]  # None: no annotations were given
    # The next three are None until the dataset is sealed, and without annotations.
    annotated_image_count: Mapped[int | None]  # images listed in the annotations file
    unused_annotation_count: Mapped[int | None]  # annotations of images that are not in the dataset
    box_annotation_count: Mapped[int | None]  # annotations without a mask
    annotations_key: Mapped[str | None]  # the uploaded annotations file, read when an upload is sealed
    detection_count: Mapped[int | None]  # None: no detections were given
    annotations_bytes: Mapped[int | None] = mapped_column(BigInteger)
    detections_key: Mapped[str | None]  # like `annotations_key`
    detections_bytes: Mapped[int | None] = mapped_column(BigInteger)
    prompt_count: Mapped[int | None]  # None: no prompts were given
    mask_prompt_count: Mapped[int | None]  # prompts with a mask; None like the next one
    prompted_image_count: Mapped[int | None]  # images with a line in the prompts file; None until the dataset is sealed
    prompts_key: Mapped[str | None]  # like `annotations_key`
    prompts_bytes: Mapped[int | None] = mapped_column(BigInteger)
    prompts_format: Mapped[str | None] = mapped_column(String(16))  # of labels of another tool at `prompts_key`
    # Objects in the store: uploaded images, annotations, detections and prompts.
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    stored_objects: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    # Those of them that other datasets may share (`StoredContent`); an image counts once for each of its names.
    content_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    content_objects: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    categories: Mapped[list[dict[str, Any]] | None] = mapped_column(
        JSONB(none_as_null=True)  # COCO categories, copied into exports; part of `content_sha256`
    )
    content_sha256: Mapped[str | None] = mapped_column(String(64))  # None until the dataset is sealed
    left_out: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    listing: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    listed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    listing_failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sealed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    series_id: Mapped[uuid.UUID | None]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    base_id: Mapped[uuid.UUID | None]
    changes: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (
        UniqueConstraint("series_id", "version"),
        Index("ix_datasets_tenant_page", tenant_id, "created_at", "id"),
        label_index("datasets"),
        Index("ix_datasets_open", changed_at, postgresql_where=text("state = 'open'")),
        Index("ix_datasets_listing", sent_at, postgresql_where=text("state = 'listing'")),
        Index("ix_datasets_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )


class DatasetImage(Base):
    """One image of a dataset.

    `position` is its index in the dataset, from 0. `image_id` is its COCO id, `external_id` and `metadata` are what a
    manifest says about it. `uri` is `file:///…` for a file under an
    allowed root, `store:<key>` for an upload, or `s3://profile@bucket/key#etag` for an object in this version
    (`samfleet.datasets.s3_sources`).

    `modified_ns` and `changed_ns` are the times of a file's last change of contents and of status (mtime and ctime) in
    nanoseconds since 1970, as listed. Both are None for other images, and for a file that had just been written.
    """

    __tablename__ = "dataset_images"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    position: Mapped[int | None]  # None until the dataset is sealed
    image_id: Mapped[int | None] = mapped_column(BigInteger)  # None until the dataset is sealed
    file_name: Mapped[str] = mapped_column(String(1024))
    external_id: Mapped[str | None] = mapped_column(String(255))
    image_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB(none_as_null=True))
    uri: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    stated_width: Mapped[int | None] = mapped_column(BigInteger)  # from the annotations file, which may be wrong
    stated_height: Mapped[int | None] = mapped_column(BigInteger)
    # LVIS's federated annotations; None if the file does not state them
    neg_category_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    not_exhaustive_category_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    modified_ns: Mapped[int | None] = mapped_column(BigInteger)
    changed_ns: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        UniqueConstraint("dataset_id", "position"),
        UniqueConstraint("dataset_id", "image_id"),
        UniqueConstraint("dataset_id", "file_name"),
        Index(
            "ix_dataset_images_external_id", dataset_id, external_id, postgresql_where=text("external_id IS NOT NULL")
        ),
    )


class DatasetAnnotation(Base):
    """One COCO instance annotation: ground truth for quality and source of box and point prompts.

    `bbox` is (x, y, width, height) in pixels; `segmentation` is COCO polygons or RLE, as given.
    """

    __tablename__ = "dataset_annotations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    image_id: Mapped[int] = mapped_column(BigInteger)
    annotation_id: Mapped[int] = mapped_column(BigInteger)
    category_id: Mapped[int] = mapped_column(BigInteger)
    bbox: Mapped[list[float]] = mapped_column(ARRAY(Float))
    area: Mapped[float]
    iscrowd: Mapped[bool] = mapped_column(server_default=text("false"))
    segmentation: Mapped[Any] = mapped_column(JSONB)

    __table_args__ = (
        UniqueConstraint("dataset_id", "annotation_id"),
        Index("ix_dataset_annotations_dataset_image", dataset_id, image_id),
    )


class DatasetDetection(Base):
    """One detected box: a prompt of the sampler `object_aware`.

    `bbox` is (x, y, width, height) in pixels; `detection_id` counts from 1 in the order of the file.
    """

    __tablename__ = "dataset_detections"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    image_id: Mapped[int] = mapped_column(BigInteger)
    detection_id: Mapped[int] = mapped_column(BigInteger)
    category_id: Mapped[int] = mapped_column(BigInteger)
    bbox: Mapped[list[float]] = mapped_column(ARRAY(Float))
    score: Mapped[float]

    __table_args__ = (
        UniqueConstraint("dataset_id", "detection_id"),
        Index("ix_dataset_detections_dataset_image", dataset_id, image_id),
    )


class DatasetPrompts(Base):
    """The prompts of one image, from a prompts file.

    `objects` is a list of {id, category_id, prompts: [{points, labels, box, mask, multimask}]}, `prompt_count` the
    number of prompts of all objects. Numbers are pixels, or with the `coordinates` "relative" fractions of width and
    height; a mask is always one of pixels.
    """

    __tablename__ = "dataset_prompts"

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    coordinates: Mapped[str] = mapped_column(String(16))
    prompt_count: Mapped[int]
    objects: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
