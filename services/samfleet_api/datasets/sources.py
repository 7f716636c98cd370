"""Bodies of requests that create a dataset, one for each source."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import ConfigDict, Field, StrictBool, model_validator

from samfleet.datasets.archives.members import Format as ArchiveFormat
from samfleet.datasets.left_out import Reason
from samfleet.datasets.manifests.lines import Format
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.s3_urls import MAX_URL_LENGTH
from samfleet_api.datasets.frames import WithFrames
from samfleet_api.datasets.schemas import MOST_IMAGES, LeftOut
from samfleet_api.datasets.spooled import PromptsFormat
from samfleet_api.schemas import Labels, Name, Notes, ServerPath, StorableText


class WithPrompts(WithFrames):
    """Fields of a request whose prompts the server reads."""

    prompts_path: ServerPath | None = Field(
        default=None,
        description="Prompts for the task prompts file: a path like that of `directory`, or, except beside a "
        "directory, s3://bucket/folder/name. The task that lists the images matches them.",
    )
    prompts_format: PromptsFormat = Field(
        default="jsonl",
        description="jsonl, a prompts file; csv, label_studio (its JSON export), coco (instances) or fiftyone "
        "(samples.json or its folder); yolo or voc, the folder of labels or a zip file of it.",
    )

    @model_validator(mode="after")
    def _check_prompts(self) -> Self:
        if self.prompts_path is None and self.prompts_format != "jsonl":
            raise ValueError("state prompts_path, the place of the prompts, with prompts_format")
        return self

    @property
    def labels_format(self) -> LabelFormat | None:
        """Return the format of labels of another tool; None for a prompts file."""
        return None if self.prompts_format == "jsonl" else self.prompts_format


class FromDirectory(WithPrompts):
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
    include_hidden: StrictBool = Field(
        default=False, strict=True, description="Include hidden files and folders, and those of the system."
    )
    strict_annotations: StrictBool = Field(
        default=False,
        strict=True,
        description="Reject images that the annotations do not name, and annotations of images that are missing.",
    )


class FromBucket(WithPrompts):
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
    include_hidden: StrictBool = Field(
        default=False, strict=True, description="Include keys with hidden parts, and those of operating systems."
    )


class FromManifest(WithPrompts):
    """Images that a manifest lists, one per line. The dataset is sealed when a task has read it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "manifest", "manifest": "/data/lists/shelves.jsonl"}]}
    )

    source: Literal["manifest"]
    manifest: ServerPath = Field(
        description="Absolute path under a folder of SAMFLEET_DATASET_ROOTS, or s3://bucket/folder/name."
    )
    format: Format | None = Field(
        default=None, description="By default by the suffix: .jsonl, .ndjson, .csv or .parquet."
    )
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


class FromArchive(WithPrompts):
    """Images in an archive. The dataset is sealed when a task has unpacked them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "archive", "archive": "/data/shelves.tar.gz"}]}
    )

    source: Literal["archive"]
    archive: ServerPath = Field(
        description="Absolute path under a folder of SAMFLEET_DATASET_ROOTS, or s3://bucket/folder/name."
    )
    format: ArchiveFormat | None = Field(
        default=None, description="By default by the suffix: .zip, .tar, .tar.gz, .tgz."
    )
    profile: StorableText | None = Field(
        default=None, min_length=1, max_length=63, description="Name of a profile in SAMFLEET_S3_SOURCES."
    )
    limit: int | None = Field(
        default=None, ge=1, le=MOST_IMAGES, strict=True, description="Only the first images of the archive."
    )
    name: Name | None = Field(default=None, description="By default the file's name without its suffix.")
    labels: Labels = Field(default={})
    notes: Notes | None = None
    include_hidden: StrictBool = Field(
        default=False, strict=True, description="Include hidden files and folders, and those of operating systems."
    )


class ForUpload(WithFrames):
    """An empty dataset, open for uploads until it is sealed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": "upload", "name": "shelf photographs"}]})

    source: Literal["upload"]
    name: Name | None = None
    labels: Labels = Field(default={})
    notes: Notes | None = None
    left_out: list[LeftOut] = Field(
        default=[], max_length=len(get_args(Reason)), description="Entries of a folder that the client did not upload."
    )


CreateDataset = Annotated[
    FromDirectory | FromBucket | FromManifest | FromArchive | ForUpload, Field(discriminator="source")
]
