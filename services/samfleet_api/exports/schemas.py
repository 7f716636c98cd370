from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from samfleet.db.models import Export as ExportRow
from samfleet.db.models import ExportState
from samfleet.db.models import Run as RunRow
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportFormat, ExportOptions
from samfleet.exports.request import depends_on_review
from samfleet_api.exports.requests import Options
from samfleet_api.file_names import FileOwner
from samfleet_api.runs.schemas import RUN_EXAMPLE, Failure, failure_of

EXPORT_EXAMPLE: dict[str, Any] = {
    "id": "3d1f0a9e-2c84-4b51-9d7b-6a5f1b8e0c42",
    "run_id": RUN_EXAMPLE["id"],
    "job_id": RUN_EXAMPLE["job_id"],
    "format": "instances",
    "options": {
        "tolerance": 1.0,
        "min_area": 0,
        "min_score": 0.0,
        "category_name": "object",
        "one_class": False,
        "reviewed": "all",
    },
    "state": "completed",
    "progress": 1.0,
    "outdated": False,
    "file_name": f"shelves-mobile_sam-{RUN_EXAMPLE['id'][:8]}.instances.json",
    "media_type": "application/json",
    "bytes": 2_410_337,
    "sha256": "9f2b5c0d8e4a7361f0c9b2d5e8a1749c3b6d0f5a8e2c7b914d6f3a0c5e8b1d27",
    "keep_days": None,
    "expires_at": None,
    "error": None,
    "created_at": "2026-11-22T12:01:00Z",
    "started_at": "2026-11-22T12:01:00Z",
    "finished_at": "2026-11-22T12:01:02Z",
}


class Export(BaseModel):
    """A file made of a run's results."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPORT_EXAMPLE]})

    id: uuid.UUID
    run_id: uuid.UUID
    job_id: uuid.UUID
    format: str
    options: dict[str, Any] = Field(description="All options, with their defaults.")
    state: ExportState
    progress: float = Field(
        ge=0, le=1, description="Share of the images read; a format that reads them twice starts again."
    )
    outdated: bool = Field(
        description="Whether a retry has changed the run's results since the request, or a reviewer the review that "
        "the file shows or follows."
    )
    file_name: str
    media_type: str
    bytes: int | None = Field(description="Size of the file; null until it is complete.")
    sha256: str | None = Field(description="Hash of the file; its `ETag` is this in quotes.")
    keep_days: int | None = Field(description="As requested; null: as long as its job.")
    expires_at: datetime | None = Field(description="Time after which it is deleted, if `keep_days` is given.")
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: ExportRow, run: RunRow, owner: FileOwner, version: str, review: int) -> Self:
        """Build the view of an export of a run; `version` is that of the run's parts now, `review` of its review."""
        options = ExportOptions.from_dict(row.options)
        kept = None if row.keep_days is None else timedelta(days=row.keep_days)
        return cls(
            id=row.id,
            run_id=row.run_id,
            job_id=run.job_id,
            format=row.format,
            options=asdict(options),
            state=row.state,
            progress=row.progress,
            outdated=row.parts_version != version
            or (depends_on_review(row.format, options) and row.review_version != review),
            file_name=file_name(row, owner),
            media_type=media_type(row),
            bytes=row.bytes,
            sha256=row.sha256,
            keep_days=row.keep_days,
            expires_at=None if kept is None or row.finished_at is None else row.finished_at + kept,
            error=failure_of(row.error_code, row.error_message),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


class ExportEstimate(BaseModel):
    """Size of the file that a request would build."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"bytes": 2_400_000, "exact": False, "images": 5000, "sampled": 24, "sha256": None}]
        }
    )

    bytes: int | None = Field(description="Null if the format shows images, or may not hold these masks.")
    exact: bool = Field(description="Whether the file has exactly this size; else it is scaled from a sample.")
    images: int = Field(description="Images with results.")
    sampled: int = Field(description="Images that were written to find the size; 0 if the file exists.")
    sha256: str | None = Field(description="Hash of the file, if an equal request has built it.")


class OptionHelp(BaseModel):
    """An option of exports."""

    name: str
    default: bool | int | float | str
    description: str
    choices: list[str] | None = Field(description="All values of an option that has only these.")

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> Self:
        kind = field.annotation
        choices = [value.value for value in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else None
        return cls(name=name, default=field.default, description=field.description or "", choices=choices)


class FormatHelp(BaseModel):
    """A format of exports."""

    name: str
    description: str
    media_type: str
    extension: str = Field(description="Of the file's name, without the dot.")

    @classmethod
    def of(cls, form: ExportFormat) -> Self:
        return cls(name=form.name, description=form.description, media_type=form.media_type, extension=form.extension)


class ExportFormats(BaseModel):
    """All formats, and the options that all of them take."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "name": "instances",
                            "description": "Complete COCO file: images, annotations as RLE, categories and provenance.",
                            "media_type": "application/json",
                            "extension": "json",
                        }
                    ],
                    "options": [
                        {
                            "name": "min_area",
                            "default": 0,
                            "description": "Masks of fewer pixels are left out.",
                            "choices": None,
                        }
                    ],
                }
            ]
        }
    )

    items: list[FormatHelp]
    options: list[OptionHelp]

    @classmethod
    def of_server(cls) -> Self:
        options = [OptionHelp.of(name, field) for name, field in Options.model_fields.items()]
        return cls(items=[FormatHelp.of(FORMATS[name]) for name in sorted(FORMATS)], options=options)


def file_name(row: ExportRow, owner: FileOwner) -> str:
    form = FORMATS.get(row.format)
    return f"{owner.stem()}.{row.format}.{form.extension}" if form else f"{owner.stem()}.{row.format}"


def media_type(row: ExportRow) -> str:
    form = FORMATS.get(row.format)  # of an earlier version of samfleet if there is none
    return form.media_type if form else "application/octet-stream"
