"""Requests for exports: of a run, or of each run of a job."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictBool, StringConstraints

from samfleet.exports.formats.base import ExportOptions
from samfleet.exports.request import ExportRequest, require_format
from samfleet.reviews.selection import Reviewed
from samfleet_api.schemas import KeepDays, RequestModel, StorableText

_DEFAULTS = ExportOptions()


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
    one_class: StrictBool = Field(
        default=_DEFAULTS.one_class,
        description="Give all masks the category `category_name`.",
    )
    reviewed: Reviewed = Field(
        default=_DEFAULTS.reviewed,
        description="Masks by their review: `accepted`, `rejected`, or `unreviewed` without a decision; `all`: the "
        "run's masks as they are. Merged masks are united and have the category of the review, except with `all`.",
    )

    def to_options(self) -> ExportOptions:
        return ExportOptions(**dict(self))


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

    def for_job(self) -> dict[str, Any]:
        """Return the form in which a job stores it. Raises `ExportFormatUnknown`."""
        require_format(self.format)
        return {"format": self.format, "options": self.options.to_options().to_dict(), "keep_days": self.keep_days}

    def request(self) -> ExportRequest:
        return ExportRequest(self.format, self.options.to_options(), self.keep_days)
