"""State of a survey in its output folder, from which a survey that was killed goes on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from samfleet.errors import InvalidInput
from samfleet.files import write_json

STATE_FILE = "survey.json"
CellStatus = Literal["waiting", "running", "completed", "failed", "skipped"]
OVER = frozenset({"completed", "failed", "skipped"})


class SurveyStateInvalid(InvalidInput):
    """The folder has a survey.json that this version cannot read; choose another folder."""

    code = "survey_state_invalid"


class CellState(BaseModel):
    """Progress of one cell. `reason` says why it was skipped or failed."""

    model_config = ConfigDict(extra="forbid")

    status: CellStatus = "waiting"
    job_id: str | None = None
    reason: str | None = None
    images: int | None = None
    failed_images: int | None = None
    attempt: int = 1

    def again(self) -> None:
        """Forget the outcome, so that the cell is measured with a new job."""
        self.status, self.job_id, self.reason, self.images, self.failed_images = "waiting", None, None, None, None
        self.attempt += 1


class DatasetState(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    images: int
    sample_of: str | None = None


class SurveyState(BaseModel):
    """A survey. `id` makes the idempotency keys of its jobs, so that no cell is submitted twice."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    title: str = ""
    datasets: dict[str, DatasetState] = Field(default_factory=dict)
    cells: dict[str, CellState] = Field(default_factory=dict)

    def cell(self, key: str) -> CellState:
        return self.cells.setdefault(key, CellState())

    def keep(self, keys: Collection[str]) -> None:
        """Forget cells that a changed plan no longer has; their measurements stay on the server."""
        self.cells = {key: entry for key, entry in self.cells.items() if key in keys}

    def idempotency_key(self, cell_key: str) -> str:
        """Return a key for the job of a cell: the same for each attempt to submit it."""
        return str(uuid.uuid5(uuid.UUID(self.id), cell_key))

    def save(self, folder: Path) -> None:
        write_json(folder / STATE_FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the state of a folder; a new one if there is none. Raises `SurveyStateInvalid`."""
        path = folder / STATE_FILE
        if not path.exists():
            return cls()
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
            return cls.model_validate(content)
        except (ValueError, ValidationError, OSError) as error:
            raise SurveyStateInvalid(f"{path} cannot be read as the state of a survey: {error}") from error
