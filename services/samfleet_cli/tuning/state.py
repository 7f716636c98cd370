"""State of a sweep in its output folder, from which an interrupted sweep goes on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from samfleet.errors import Conflict, InvalidInput
from samfleet.files import write_json
from samfleet_cli.tuning.figures import Figures
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.search import Result, Results, Status

STATE_FILE = "tune.json"


class TuneStateInvalid(InvalidInput):
    """The folder has a tune.json that this version cannot read; choose another folder."""

    code = "tune_state_invalid"


class TuneFolderTaken(Conflict):
    """The folder has a sweep of other images, another task or another machine; choose another folder."""

    code = "tune_folder_taken"


class Measured(BaseModel):
    """Outcome of a point, as it is kept. `jobs` are those that measured it."""

    model_config = ConfigDict(extra="forbid")

    point: dict[str, Any]
    status: Status
    figures: dict[str, Any] | None = None
    reason: str | None = None

    @classmethod
    def of(cls, result: Result) -> Self:
        figures = asdict(result.figures) if result.figures else None
        return cls(point=asdict(result.point), status=result.status, figures=figures, reason=result.reason)

    def result(self) -> Result:
        figures = Figures(**self.figures) if self.figures else None
        return Result(Point(**self.point), self.status, figures, self.reason)


class TuneState(BaseModel):
    """A sweep. `subject` is what all its points have in common. `reference_run` has the baseline's masks."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    subject: dict[str, Any] = Field(default_factory=dict)
    datasets: dict[str, str] = Field(default_factory=dict)
    hardware: str | None = None
    device_kind: str | None = None
    reference_run: str | None = None
    jobs: dict[str, list[str]] = Field(default_factory=dict)  # by the point's key
    measured: list[Measured] = Field(default_factory=list)

    def results(self) -> Results:
        """Return the measured points and those that were cut; the others are looked at again."""
        kept = [one.result() for one in self.measured]
        return {result.point: result for result in kept if result.status in {"measured", "cut"}}

    def keep(self, results: Mapping[Point, Result]) -> None:
        self.measured = [Measured.of(result) for result in results.values()]

    def save(self, folder: Path) -> None:
        write_json(folder / STATE_FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path, subject: Mapping[str, Any]) -> Self:
        """Load the state of a folder; a new one if there is none.

        Raises `TuneStateInvalid`, and `TuneFolderTaken` if the folder has a sweep of another subject.
        """
        path = folder / STATE_FILE
        wanted = json.loads(json.dumps(subject))
        if not path.exists():
            return cls(subject=wanted)
        try:
            found = cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
            found.results()
        except (ValueError, TypeError, InvalidInput, ValidationError, OSError) as error:
            raise TuneStateInvalid(f"{path} cannot be read as the state of a sweep: {error}") from error
        if found.subject != wanted:
            names = sorted(name for name in {*wanted, *found.subject} if found.subject.get(name) != wanted.get(name))
            raise TuneFolderTaken(
                f"{folder} has a sweep with other {', '.join(names)}; choose another folder with --out, or remove it"
            )
        return found
