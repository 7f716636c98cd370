from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.left_out import MOST_EXAMPLES, Reason
from samfleet.db.models import Dataset as DatasetRow
from samfleet.db.models import DatasetImage as ImageRow
from samfleet.db.models import DatasetSource, DatasetState
from samfleet_api.schemas import LabelChanges, Name, Notes, RequestModel, StorableText

MOST_HASHES = 1000  # in one request
MOST_BYTES = 2**63 - 1
MOST_IMAGES = 2**31 - 1  # maximum of the integer column for positions
_ID = "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11"


class LeftOut(RequestModel):
    """Entries of a folder that are not images of the dataset. A subfolder counts as one."""

    model_config = ConfigDict(from_attributes=True)

    reason: Reason = Field(
        description="hidden (the name starts with a dot), system (such as @eaDir), state (a stack's state folder), "
        "format (an unsupported image format), archive (inside an archive), name (a name that "
        "cannot be uploaded), other."
    )
    count: int = Field(ge=1, le=MOST_IMAGES, strict=True)
    examples: list[StorableText] = Field(max_length=MOST_EXAMPLES, description="The first names.")


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


class NewVersion(RequestModel):
    """The way to make the next version: one of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh": True}, {"add": "uploads"}]})

    refresh: Literal[True] | None = Field(
        default=None, description="Read the folder, bucket or manifest of the dataset again."
    )
    add: Literal["uploads"] | None = Field(
        default=None,
        description="Open a version for uploads; sealing it adds the images of the dataset. If only prompts are "
        "uploaded, images keep their ids, and annotations and detections are taken over.",
    )

    @model_validator(mode="after")
    def check_one(self) -> NewVersion:
        if (self.refresh is None) == (self.add is None):
            raise ValueError("give either refresh or add")
        return self


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
                    "frame": None,
                    "frames": {"every_seconds": 2.0},
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
    frame: int | None = Field(description="The number of the one frame of each file that the dataset takes, from 0.")
    frames: Literal["all"] | dict[str, int | float] | None = Field(
        description="The other choice of frames, as in the request; null if files are taken as they are."
    )
    left_out: list[LeftOut] = Field(description="Entries of the folder that are not images of the dataset.")
    created_at: datetime
    sealed_at: datetime | None
    error: DatasetError | None = Field(
        default=None,
        description="Why the images could not be listed; in the state listing, why the last attempt failed.",
    )
    version: int = Field(description="1, or more for a dataset made from an earlier version.")
    series_id: uuid.UUID = Field(description="Id of version 1; all versions have it.")
    base_id: uuid.UUID | None = Field(description="The version from which this one was made; null for version 1.")
    changes: Changes | None = Field(
        description="Null for version 1, before sealing, and if the base was deleted meanwhile."
    )

    @classmethod
    def of(cls, row: DatasetRow) -> Dataset:
        error = DatasetError(code=row.error_code, message=row.error_message or "") if row.error_code else None
        choice = FrameChoice.of((row.listing or {}).get("frames"))
        stated = {"frame": None, "frames": None, **(choice.requested if choice else {})}
        computed = {"error": error, "series_id": row.series_id or row.id, **stated}
        fields = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls.model_validate({**fields, **computed})


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
                    "metadata": None,
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
    metadata: dict[str, Any] | None = Field(
        description="What the manifest gives the image, and the number and time of its frame."
    )
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
            metadata=row.image_metadata,
            size_bytes=row.size_bytes,
            width=width,
            height=height,
        )


class AddedImages(BaseModel):
    items: list[DatasetImage]


class ImageHash(RequestModel):
    """A file that the client has."""

    name: StorableText = Field(description="Its name in the dataset.")
    size_bytes: int = Field(ge=0, le=MOST_BYTES, strict=True)
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of its bytes, in lower case.")


class ImageHashes(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"files": [{"name": "a.jpg", "size_bytes": 161811, "sha256": "0" * 64}]}]}
    )

    files: list[ImageHash] = Field(min_length=1, max_length=MOST_HASHES)


class AddedByHash(BaseModel):
    """Result of adding files by their hashes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"missing": ["b.jpg"], "added": 1, "present": 0}]})

    missing: list[str] = Field(description="Names of files to upload: the server does not have their bytes.")
    added: int = Field(description="Files whose bytes the server had, now images of the dataset.")
    present: int = Field(description="Files that were images of the dataset already.")
