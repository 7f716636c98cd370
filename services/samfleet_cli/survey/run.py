"""Execution of a plan: one ordinary job per cell, one at a time on each pool, because jobs that share a machine would
measure each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.schemas import Job
from samfleet.client.transport import ApiError, ApiUnreachable
from samfleet.client.wait import PATIENCE_SECONDS, Clock
from samfleet.errors import InvalidInput, SamfleetError
from samfleet.survey.conditions import name_with_boxes
from samfleet_cli.survey.cells import Cell
from samfleet_cli.survey.datasets import DatasetKey, prepare_dataset
from samfleet_cli.survey.plan import Plan
from samfleet_cli.survey.state import OVER, CellState, DatasetState, SurveyState
from samfleet_cli.survey.tasks import DETECTORS

POLL_SECONDS = 1.0
WITH_RESULTS = frozenset({"completed", "completed_with_errors"})  # of jobs with a single run
_REFUSALS = frozenset({400, 403, 404, 409, 413, 422})  # of this cell; other errors concern the whole survey


class Progress(Protocol):
    """Display of a survey's progress."""

    def say(self, message: str) -> None: ...

    def show(self, cells: Sequence[Cell], state: SurveyState, jobs: Sequence[tuple[Cell, Job]]) -> None: ...

    def over(self, cell: Cell, state: CellState) -> None: ...


@dataclass(slots=True)
class SurveyRun:
    """A survey over a running API. `folder` receives the state after each change, and the samples of datasets."""

    client: SamfleetClient
    plan: Plan
    state: SurveyState
    folder: Path
    progress: Progress
    clock: Clock = field(default_factory=Clock)

    def run(self, cells: Sequence[Cell]) -> None:
        """Carry out the cells that are not completed. It may be interrupted at any time and called again.

        What failed or was skipped before is tried again, once.
        """
        for entry in (self.state.cell(cell.key) for cell in cells):
            if entry.status in {"failed", "skipped"}:
                entry.again()
        answered_at = self.clock.now()
        while True:
            try:
                open_jobs = list(self._advance(cells))
            except (ApiUnreachable, ApiError) as error:
                permanent = isinstance(error, ApiError) and not error.is_temporary
                if permanent or self.clock.now() - answered_at > PATIENCE_SECONDS:
                    raise
            else:
                answered_at = self.clock.now()
                self.progress.show(cells, self.state, open_jobs)
                if not open_jobs:
                    return
            self.clock.sleep(POLL_SECONDS)

    def _advance(self, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Job]]:
        """Look at the running job of each pool, start the next ones, and yield the jobs that run now."""
        for pool in dict.fromkeys(cell.pool for cell in cells):
            for cell in (one for one in cells if one.pool == pool):
                if self.state.cell(cell.key).status in OVER:
                    continue
                job = self._job_of(cell)
                if job is not None and not job.is_over:
                    yield cell, job
                    break

    def _job_of(self, cell: Cell) -> Job | None:
        """Return the cell's job, submitting it if needed. None if the cell is skipped."""
        entry = self.state.cell(cell.key)
        try:
            if entry.job_id is None:
                job = self._submit(cell)
                entry.job_id, entry.status = job.id, "running"
                self.state.save(self.folder)
            else:
                job = self.client.job(entry.job_id)
        except InvalidInput as error:
            self._skip(cell, error)
            return None
        except ApiError as error:
            if error.problem_code == "job_not_found":  # deleted meanwhile: measure it again
                entry.again()
                return self._job_of(cell)
            if error.status not in _REFUSALS:
                raise
            self._skip(cell, error)
            return None
        if job.is_over:
            self._end(cell, job)
        return job

    def _submit(self, cell: Cell) -> Job:
        task, entry = self.plan.task(cell.task), self.state.cell(cell.key)
        dataset = self._dataset(cell.dataset)
        return self.client.submit_job(
            dataset.id,
            [cell.variant],
            task.body,
            pools=[cell.pool] if cell.pool else [],
            name=f"{self.plan.title}: {cell.task}"[:200],
            idempotency_key=self.state.idempotency_key(f"{cell.key} / {dataset.id} / {entry.attempt}"),
        )

    def _dataset(self, key: DatasetKey) -> DatasetState:
        known = self.state.datasets.get(str(key))
        if known is not None:
            return known
        spec = self.plan.datasets[key.name]
        source = prepare_dataset(spec, key, self.folder / "datasets" / str(key).replace("/", "_"))
        made = create_dataset(self.client, source)
        self.progress.say(f"dataset {key}: {made.image_count} images")
        entry = DatasetState(id=made.id, images=made.image_count, sample_of=_sample_of(spec.sample_of, key))
        self.state.datasets[str(key)] = entry
        self.state.save(self.folder)
        return entry

    def _end(self, cell: Cell, job: Job) -> None:
        entry = self.state.cell(cell.key)
        entry.status = "completed" if job.state in WITH_RESULTS else "failed"
        entry.images, entry.failed_images = job.counts.total, job.counts.failed
        entry.reason = "; ".join(job.reasons) or (None if entry.status == "completed" else f"the job was {job.state}")
        served = sorted({_execution(one.precision, one.compilation) for run in job.runs for one in run.hardware})
        if entry.status == "completed" and cell.execution is not None and served != [cell.execution]:
            entry.status = "failed"
            entry.reason = f"the pool serves {', '.join(served) or 'nothing'}, the plan asks {cell.execution}"
        self._save(cell, entry)

    def _skip(self, cell: Cell, error: SamfleetError) -> None:
        entry = self.state.cell(cell.key)
        entry.status, entry.reason = "skipped", error.message
        self._save(cell, entry)

    def _save(self, cell: Cell, entry: CellState) -> None:
        self.state.save(self.folder)
        self.progress.over(cell, entry)


def _execution(precision: str, compilation: str) -> str:
    return precision if compilation == "none" else f"{precision}+{compilation}"


def _sample_of(sample: str | None, key: DatasetKey) -> str | None:
    """Return what the dataset is a sample of in the report's words: a detector stands for COCO with its boxes."""
    if sample is None or key.shape == "one_box":
        return None
    return name_with_boxes(sample, key.shape) if key.shape in DETECTORS else sample
