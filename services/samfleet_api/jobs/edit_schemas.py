from __future__ import annotations

from pydantic import ConfigDict

from samfleet.jobs.sharing import DEFAULT_PRIORITY
from samfleet_api.jobs.schemas import Priority
from samfleet_api.schemas import KeepDays, LabelChanges, Name, Notes, RequestModel


class EditJob(RequestModel):
    """Fields to change, as a JSON merge patch (RFC 7396). `edit_job` sets the fields of these names."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "week 48", "labels": {"team": "shelves", "old": None}, "notes": None},
                {"priority": 8},
            ]
        }
    )

    name: Name | None = None
    labels: LabelChanges | None = None
    notes: Notes | None = None
    keep_days: KeepDays | None = None
    priority: Priority = DEFAULT_PRIORITY
