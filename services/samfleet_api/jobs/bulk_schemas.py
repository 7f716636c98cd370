from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from samfleet.db.models import JobState
from samfleet.db.search import Search
from samfleet.labels import parse_label
from samfleet_api.exports.requests import CreateExport
from samfleet_api.jobs.filters import JobFilter
from samfleet_api.runs.schemas import RUN_EXAMPLE, Failure
from samfleet_api.schemas import RequestModel, StorableText

MOST_COUNTED = 10_000
MOST_NAMED = 1000
MOST_AT_ONCE = 100
SearchText = Annotated[StorableText, StringConstraints(max_length=200)]


class JobAction(StrEnum):
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    EXPORT = "export"
    DELETE = "delete"


class JobCount(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 42, "is_exact": True}]})

    count: int = Field(description=f"At most {MOST_COUNTED}.")
    is_exact: bool = Field(description="False if more jobs match than are counted.")


class MatchingJobs(RequestModel):
    """A filter like the parameters of `GET /v1/jobs`. An empty one matches all jobs of the tenant."""

    state: list[JobState] = Field(default=[], max_length=len(JobState))
    name: SearchText | None = None
    q: SearchText | None = None
    label: list[StorableText] = Field(default=[], max_length=10, description="`key:value`; all must be there.")


class ActOnJobs(RequestModel):
    """An action on jobs that are named by id, or on all that match a filter."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "cancel", "job_ids": [RUN_EXAMPLE["job_id"]]},
                {
                    "action": "retry",
                    "filter": {"state": ["completed_with_errors"], "label": ["team:shelves"]},
                    "most": 40,
                },
                {"action": "export", "job_ids": [RUN_EXAMPLE["job_id"]], "export": {"format": "coco"}},
            ]
        }
    )

    action: JobAction
    job_ids: list[uuid.UUID] | None = Field(default=None, min_length=1, max_length=MOST_NAMED)
    filter: MatchingJobs | None = None
    most: int | None = Field(
        default=None,
        ge=1,
        le=MOST_COUNTED,
        strict=True,
        description="Required with `filter`: the number of jobs that you expect. If more match, nothing is done.",
    )
    export: CreateExport | None = Field(default=None, description="Required for `export`, of each ended run.")
    cancel: StrictBool = Field(default=False, description="For `delete`: cancel jobs that still run first.")
    forget_measurements: StrictBool = Field(
        default=False, description="For `delete`: also remove their measurements from the reports."
    )

    @model_validator(mode="after")
    def check_complete(self) -> ActOnJobs:
        if (self.job_ids is None) == (self.filter is None):
            raise ValueError("give either job_ids or filter")
        if (self.filter is None) != (self.most is None):
            raise ValueError("most belongs to filter: give both or none")
        if (self.action is JobAction.EXPORT) != (self.export is not None):
            raise ValueError("export belongs to the action export: give both or none")
        if self.action is not JobAction.DELETE and (self.cancel or self.forget_measurements):
            raise ValueError("cancel and forget_measurements belong to the action delete")
        return self

    def wanted(self) -> JobFilter:
        """Return the filter. Raises `LabelsInvalid`."""
        asked = self.filter or MatchingJobs()
        return JobFilter(asked.state, asked.name, Search(asked.q, [parse_label(one, ":") for one in asked.label]))


class ActedOn(BaseModel):
    """The effect of an action on one job."""

    job_id: uuid.UUID
    name: str | None
    state: JobState | None = Field(description="Afterwards; null if the job does not exist or was deleted.")
    exports: int = Field(description="Exports that were requested, or existed already.")
    error: Failure | None = Field(description="Why nothing was done, as the request for this one job would say.")


class ActedOnJobs(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "job_id": RUN_EXAMPLE["job_id"],
                            "name": "boxes of val2017",
                            "state": "completed",
                            "exports": 0,
                            "error": {
                                "code": "job_finished",
                                "message": f"job {RUN_EXAMPLE['job_id']} is completed; it cannot be cancelled",
                            },
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    items: list[ActedOn]
    next: str | None = Field(
        description="Send the same body with it as `cursor` to go on with the remaining jobs; null when all are done."
    )
