from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from samfleet.db.models import Export as ExportRow
from samfleet.db.models import ExportState
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportFormat, ExportOptions
from samfleet.exports.request import ExportRequest
from samfleet_api.jobs.schemas import KeepDays
from samfleet_api.runs.schemas import RUN_EXAMPLE, Failure, failure_of
from samfleet_api.schemas import RequestModel, StorableText

_DEFAULTS = ExportOptions()
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
    },
    "state": "completed",
    "progress": 1.0,
    "outdated": False,
    "file_name": f"{RUN_EXAMPLE['id']}.instances.json",
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


class Options(RequestModel):
    """Options of an export. A format ignores those that do not apply to it."""

    tolerance: float = Field(
        default=_DEFAULTS.tolerance,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        strict=True,
        description="Tolerance in pixels of the simplification of polygons; 0 keeps every corner.",
    )
    min_area: int = Field(
        default=_DEFAULTS.min_area,
        ge=0,
        le=2**53,
        strict=True,
        description="Masks of fewer pixels are left out.",
    )
    min_score: float = Field(
        default=_DEFAULTS.min_score,
        ge=0,
        le=1,
        allow_inf_nan=False,
        strict=True,
        description="Masks with a lower confidence are left out: the detection's score, or else the predicted IoU.",
    )
    category_name: Annotated[StorableText, StringConstraints(min_length=1, max_length=100)] = Field(
        default=_DEFAULTS.category_name,
        description="Name of the category of masks without one.",
    )
    one_class: bool = Field(
        default=_DEFAULTS.one_class,
        strict=True,
        description="Give all masks the category `category_name`.",
    )


class CreateExport(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"format": "instances"},
                {"format": "instances", "options": {"min_area": 100, "min_score": 0.8}, "keep_days": 7},
            ]
        }
    )

    format: StorableText = Field(max_length=64, description="Name of a format; GET /v1/export-formats lists them.")
    options: Options = Field(default_factory=Options)
    keep_days: KeepDays | None = Field(
        default=None, description="Delete the export so many days after its end. Null: it is kept as long as its job."
    )

    def request(self) -> ExportRequest:
        return ExportRequest(self.format, ExportOptions(**dict(self.options)), self.keep_days)


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
    outdated: bool = Field(description="Whether a retry has changed the run's results since the request.")
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
    def of(cls, row: ExportRow, job_id: uuid.UUID, version: str) -> Self:
        """Build the view of an export of a job; `version` is that of the run's parts now."""
        kept = None if row.keep_days is None else timedelta(days=row.keep_days)
        return cls(
            id=row.id,
            run_id=row.run_id,
            job_id=job_id,
            format=row.format,
            options=row.options,
            state=row.state,
            progress=row.progress,
            outdated=row.parts_version != version,
            file_name=file_name(row),
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


class OptionHelp(BaseModel):
    """An option of exports."""

    name: str
    default: bool | int | float | str
    description: str


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
                        {"name": "min_area", "default": 0, "description": "Masks of fewer pixels are left out."}
                    ],
                }
            ]
        }
    )

    items: list[FormatHelp]
    options: list[OptionHelp]

    @classmethod
    def of_server(cls) -> Self:
        options = [
            OptionHelp(name=name, default=field.default, description=field.description or "")
            for name, field in Options.model_fields.items()
        ]
        return cls(items=[FormatHelp.of(FORMATS[name]) for name in sorted(FORMATS)], options=options)


def file_name(row: ExportRow) -> str:
    form = FORMATS.get(row.format)
    return f"{row.run_id}.{row.format}.{form.extension}" if form else f"{row.run_id}.{row.format}"


def media_type(row: ExportRow) -> str:
    form = FORMATS.get(row.format)  # of an earlier version of samfleet if there is none
    return form.media_type if form else "application/octet-stream"
