"""Conversion of database rows to the API's models of jobs."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from samfleet.datasets.coverage import Coverage
from samfleet.db.models import Job as JobRow
from samfleet.db.models import Run as RunRow
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.delete import expires_at
from samfleet.jobs.progress import combine, progress_of_runs
from samfleet.jobs.throughput import throughput_of_runs
from samfleet.reports.task_words import task_words
from samfleet_api.jobs import repository
from samfleet_api.jobs.failure_schemas import FailureGroup, FailureGroups, FirstFailure
from samfleet_api.jobs.schemas import AnnotationCoverage, Job, JobExport
from samfleet_api.jobs.throughput_schemas import JobThroughput
from samfleet_api.runs.repository import RunFacts, facts_of, of_jobs
from samfleet_api.runs.schemas import Counts, Failure, Run, Stalled
from samfleet_api.runs.stalled import stalled_runs
from samfleet_api.runs.views import is_recorded, view_run

# Fields of a job that are columns of the same name and meaning.
NAMED_ALIKE = (
    "id", "parent_id", "name", "labels", "notes", "dataset_id", "created_at", "started_at", "finished_at",
)  # fmt: skip


def view_job(session: Session, job: JobRow, keep_days: int | None) -> Job:
    """Build the view of a job. Results are read only for runs that are recorded in full, so that polling a running job
    is cheap. `keep_days` are those of the server.
    """
    return view_whole_jobs(session, [job], keep_days)[0]


def view_whole_jobs(session: Session, jobs: Sequence[JobRow], keep_days: int | None) -> list[Job]:
    """Build the views of several jobs, like `view_job`."""
    return _view(session, jobs, keep_days, with_facts=True)


def view_jobs(session: Session, jobs: Sequence[JobRow], keep_days: int | None) -> list[Job]:
    """Build views for lists, without the hardware and quality of the runs. No result row is read."""
    return _view(session, jobs, keep_days, with_facts=False)


def _view(session: Session, jobs: Sequence[JobRow], keep_days: int | None, *, with_facts: bool) -> list[Job]:
    runs = of_jobs(session, [job.id for job in jobs])
    runs_of = _by_job(runs)
    progress = progress_of_runs(session, runs)
    facts = facts_of(session, [run.id for run in runs if is_recorded(run)]) if with_facts else {}
    datasets = {job.dataset_id for job in jobs}
    names = repository.dataset_names(session, datasets)
    coverage = repository.coverage_of(session, datasets)
    stalled = stalled_runs(session, runs)

    def view_of_run(run: RunRow) -> Run:
        return view_run(run, progress[run.id], facts.get(run.id, RunFacts()), stalled=stalled.get(run.id))

    def view(job: JobRow) -> Job:
        own = runs_of[job.id]
        overall = combine(progress[run.id] for run in own)
        return Job(
            **{name: getattr(job, name) for name in NAMED_ALIKE},
            state=job.state,
            dataset_name=names.get(job.dataset_id),
            task=job.task,
            task_in_words=task_words(job.task),
            priority=job.priority,
            keep_days=job.keep_days,
            expires_at=expires_at(job, keep_days),
            evaluate=job.evaluate,
            annotations=_coverage(coverage.get(job.dataset_id)),
            error=_error_of(job),
            stalled=min((stalled[run.id] for run in own if run.id in stalled), key=_since, default=None),
            counts=Counts.of(overall),
            reuse_results=job.reuse_results,
            exports=[JobExport.model_validate(export) for export in job.exports or ()],
            images_reused=sum(run.reused for run in own),
            progress=overall.fraction,
            images_per_second=overall.images_per_second,
            eta_seconds=overall.eta_seconds,
            runs=list(map(view_of_run, own)),
        )

    return [view(job) for job in jobs]


def _error_of(job: JobRow) -> Failure | None:
    return Failure(code=job.error_code, message=job.error_message or "") if job.error_code else None


def _by_job(runs: Sequence[RunRow]) -> Mapping[uuid.UUID, list[RunRow]]:
    runs_of: dict[uuid.UUID, list[RunRow]] = defaultdict(list)
    for run in runs:
        runs_of[run.job_id].append(run)
    return runs_of


def _coverage(coverage: Coverage | None) -> AnnotationCoverage | None:
    return None if coverage is None else AnnotationCoverage(**asdict(coverage))


def _since(stalled: Stalled) -> datetime:
    return stalled.since


def require_job(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> JobRow:
    job = repository.find(session, tenant_id, job_id)
    if job is None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    return job


def view_throughput(session: Session, job: JobRow, points: int) -> JobThroughput:
    runs = of_jobs(session, [job.id])
    return JobThroughput.of(runs, throughput_of_runs(session, runs, points))


def view_failure_groups(session: Session, job: JobRow) -> FailureGroups:
    items = [
        FailureGroup(
            code=group.code,
            stage=group.stage,
            images=group.images,
            message=group.first.message,
            run_ids=list(group.run_ids),
            first=FirstFailure(
                run_id=group.first.run_id, image_id=group.first.image_id, file_name=group.first.file_name
            ),
        )
        for group in repository.failure_groups(session, job.id)
    ]
    return FailureGroups(items=items)
