from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from samfleet.datasets.left_out import MOST_EXAMPLES, Reason
from samfleet.datasets.manifests.lines import Format
from samfleet.datasets.s3_urls import MAX_URL_LENGTH
from samfleet.db.models import Dataset as DatasetRow
from samfleet.db.models import DatasetImage as ImageRow
from samfleet.db.models import DatasetSource, DatasetState
from samfleet_api.schemas import LabelChanges, Labels, Name, Notes, RequestModel, ServerPath, StorableText

MOST_IMAGES = 2**31 - 1  # maximum of the integer column for positions
_ID = "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11"


class LeftOut(RequestModel):
    """Entries of a folder that are not images of the dataset. A subfolder counts as one."""

    model_config = ConfigDict(from_attributes=True)

    reason: Reason = Field(
        description="hidden (the name starts with a dot), system (such as @eaDir), state (a stack's state folder), "
        "format (an unsupported image format), name (a name that cannot be uploaded), other."
    )
    count: int = Field(ge=1, le=MOST_IMAGES, strict=True)
    examples: list[StorableText] = Field(max_length=MOST_EXAMPLES, description="The first names.")


class FromDirectory(RequestModel):
    """Images below a folder on the server. The dataset is sealed when they are listed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "directory",
                    "directory": "/data/coco/val2017",
                    "annotations_path": "/data/coco/annotations/instances_val2017.json",
                    "limit": 500,
                }
            ]
        }
    )

    source: Literal["directory"]
    directory: ServerPath = Field(description="Absolute path under a folder of SAMFLEET_DATASET_ROOTS.")
    annotations_path: ServerPath | None = Field(default=None, description="COCO instances JSON, under the same roots.")
    detections_path: ServerPath | None = Field(
        default=None, description="COCO results JSON with boxes, for the sampler object_aware; under the same roots."
    )
    prompts_path: ServerPath | None = Field(
        default=None, description="Prompts file (JSON lines), for the task prompts file; under the same roots."
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        le=MOST_IMAGES,
        strict=True,
        description="Only the first images in the order of their paths.",
    )
    name: Name | None = Field(default=None, description="By default the folder's name.")
    labels: Labels = Field(default={})
    notes: Notes | None = None
    include_hidden: bool = Field(
        default=False, strict=True, description="Include hidden files and folders, and those of the system."
    )
    strict_annotations: bool = Field(
        default=False,
        strict=True,
        description="Reject images that the annotations do not name, and annotations of images that are missing.",
    )


class FromBucket(RequestModel):
    """Images of an S3 bucket. The dataset is sealed when a task has listed them; they are not copied."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "s3", "url": "s3://photos/2026-*/**", "limit": 500}]}
    )

    source: Literal["s3"]
    url: StorableText = Field(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="s3://bucket/folder, or with a pattern: `*` and `?` within a part of the key, `**` for any parts.",
    )
    profile: StorableText | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Name of a profile in SAMFLEET_S3_SOURCES; by default the first one that allows the address.",
    )
    limit: int | None = Field(
        default=None, ge=1, le=MOST_IMAGES, strict=True, description="Only the first images in the order of their keys."
    )
    name: Name | None = Field(default=None, description="By default the last folder's name, or the bucket's.")
    labels: Labels = Field(default={})
    notes: Notes | None = None
    include_hidden: bool = Field(
        default=False, strict=True, description="Include keys with hidden parts, and those of operating systems."
    )


class FromManifest(RequestModel):
    """Images that a manifest lists, one per line. The dataset is sealed when a task has read it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "manifest", "manifest": "/data/lists/shelves.jsonl"}]}
    )

    source: Literal["manifest"]
    manifest: ServerPath = Field(
        description="Absolute path under a folder of SAMFLEET_DATASET_ROOTS, or s3://bucket/folder/name."
    )
    format: Format | None = Field(default=None, description="By default by the suffix: .jsonl, .ndjson or .csv.")
    profile: StorableText | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Name of a profile in SAMFLEET_S3_SOURCES; by default the first one that allows each address.",
    )
    limit: int | None = Field(
        default=None, ge=1, le=MOST_IMAGES, strict=True, description="Only the first images of the manifest."
    )
    name: Name | None = Field(default=None, description="By default the file's name without its suffix.")
    labels: Labels = Field(default={})
    notes: Notes | None = None


class ForUpload(RequestModel):
    """An empty dataset, open for uploads until it is sealed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": "upload", "name": "shelf photographs"}]})

    source: Literal["upload"]
    name: Name | None = None
    labels: Labels = Field(default={})
    notes: Notes | None = None
    left_out: list[LeftOut] = Field(
        default=[], max_length=len(get_args(Reason)), description="Entries of a folder that the client did not upload."
    )


def _omit_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class EditDataset(RequestModel):
    """Fields to change, as a JSON merge patch (RFC 7396)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "shelves", "labels": {"team": "shelves", "old": None}}]}
    )

    # A field that is left out has no effect, so its default is not part of the document.
    name: Name = Field(default="", json_schema_extra=_omit_default, description="A dataset always has a name.")
    labels: LabelChanges | None = None
    notes: Notes | None = None


CreateDataset = Annotated[FromDirectory | FromBucket | FromManifest | ForUpload, Field(discriminator="source")]


class NewVersion(RequestModel):
    """Request for the next version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh": True}]})

    refresh: Literal[True] = Field(description="List the folder or bucket of the dataset again.")


class Changes(BaseModel):
    """Images of a version by comparison with the version from which it was made, by file name."""

    new: int
    changed: int = Field(description="Other bytes, or a file whose times do not prove that they are the same.")
    gone: int = Field(description="Images that this version no longer has.")
    unchanged: int


class DatasetError(BaseModel):
    code: str
    message: str


class Dataset(BaseModel):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "name": "val2017",
                    "labels": {"team": "shelves"},
                    "notes": None,
                    "source": "directory",
                    "state": "sealed",
                    "image_count": 500,
                    "listed": 512,
                    "annotation_count": 3819,
                    "annotated_image_count": 495,
                    "unused_annotation_count": 32962,
                    "box_annotation_count": 0,
                    "detection_count": None,
                    "prompt_count": None,
                    "prompted_image_count": None,
                    "left_out": [{"reason": "hidden", "count": 2, "examples": [".DS_Store", ".thumbnails/"]}],
                    "created_at": "2026-11-22T12:00:00Z",
                    "sealed_at": "2026-11-22T12:00:00Z",
                    "error": None,
                    "version": 2,
                    "series_id": "0b6d2f58-6a0f-4a3e-9d1c-7f35f2a4c9e1",
                    "base_id": "0b6d2f58-6a0f-4a3e-9d1c-7f35f2a4c9e1",
                    "changes": {"new": 20, "changed": 1, "gone": 3, "unchanged": 479},
                }
            ]
        },
    )

    id: uuid.UUID
    name: str
    labels: dict[str, str]
    notes: str | None
    source: DatasetSource
    state: DatasetState = Field(
        description="listing (a task lists the images), open (for uploads), sealed (jobs may use it), failed."
    )
    image_count: int = Field(description="While the state is listing, the images written so far.")
    listed: int = Field(description="Files, folders, keys or lines that the task has looked at; 0 without a task.")
    annotation_count: int | None = Field(
        description="Null without annotations; before sealing, the number in the uploaded file."
    )
    annotated_image_count: int | None = Field(
        description="Images that the annotations name; like the next two, null without annotations and before sealing."
    )
    unused_annotation_count: int | None = Field(description="Annotations of images that are not in the dataset.")
    box_annotation_count: int | None = Field(description="Used annotations that are boxes without a mask.")
    detection_count: int | None = Field(
        description="Null without detections; before sealing, the number in the uploaded file."
    )
    prompt_count: int | None = Field(description="Null without prompts; before sealing, the number in the file.")
    prompted_image_count: int | None = Field(
        description="Images with a line in the prompts file; null without prompts and before sealing."
    )
    left_out: list[LeftOut] = Field(description="Entries of the folder that are not images of the dataset.")
    created_at: datetime
    sealed_at: datetime | None
    error: DatasetError | None = Field(default=None, description="Why the images could not be listed.")
    version: int = Field(description="1, or more for a dataset made from an earlier version.")
    series_id: uuid.UUID = Field(description="Id of version 1; all versions have it.")
    base_id: uuid.UUID | None = Field(description="The version from which this one was made; null for version 1.")
    changes: Changes | None = Field(
        description="Null for version 1, before sealing, and if the base was deleted meanwhile."
    )

    @classmethod
    def of(cls, row: DatasetRow) -> Dataset:
        error = DatasetError(code=row.error_code, message=row.error_message or "") if row.error_code else None
        fields = {name: getattr(row, name) for name in cls.model_fields if name not in {"error", "series_id"}}
        return cls.model_validate({**fields, "error": error, "series_id": row.series_id or row.id})


class Categories(BaseModel):
    """COCO categories from the annotations file."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"id": 1, "name": "box", "supercategory": "thing"}]}]}
    )

    items: list[dict[str, Any]]


class DatasetImage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 17,
                    "position": 0,
                    "image_id": 139,
                    "file_name": "000000000139.jpg",
                    "external_id": None,
                    "size_bytes": 161811,
                    "width": 640,
                    "height": 426,
                }
            ]
        },
    )

    id: int
    position: int | None = Field(description="Order in the dataset from 0; null until it is sealed.")
    image_id: int | None = Field(description="COCO id that results refer to; null until the dataset is sealed.")
    file_name: str
    external_id: str | None = Field(description="The id that the manifest gives the image.")
    size_bytes: int = Field(description="0 if it was not known when the dataset was made.")
    width: int | None = Field(description="Width of the upright image in pixels; null until a job has read it.")
    height: int | None

    @classmethod
    def of(cls, row: ImageRow, size: tuple[int, int] | None = None) -> DatasetImage:
        width, height = size or (None, None)
        return cls(
            id=row.id,
            position=row.position,
            image_id=row.image_id,
            file_name=row.file_name,
            external_id=row.external_id,
            size_bytes=row.size_bytes,
            width=width,
            height=height,
        )


class AddedImages(BaseModel):
    items: list[DatasetImage]
