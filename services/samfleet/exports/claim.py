"""Steps of an export in the database: a builder claims it, shows that it lives, and ends it.

Each is one short transaction. The token fences off a builder that lost its export: its steps change nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, Export, ExportState, Hardware, Job, ReportSeries, Run
from samfleet.exports.errors import ExportOutdated
from samfleet.exports.formats.base import ExportOptions
from samfleet.exports.states import EXPORTS
from samfleet.exports.versions import parts_version
from samfleet.jobs.export import recorded_parts
from samfleet.jobs.parts import run_prefix
from samfleet.jobs.states import is_final


@dataclass(frozen=True, slots=True)
class ClaimedExport:
    """An export to build. `parts` are keys in the order of the dataset, `total` is the number of images."""

    id: uuid.UUID
    token: int
    run_id: uuid.UUID
    format: str
    options: ExportOptions
    parts: Sequence[str]
    total: int
    categories: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]

    def key(self, extension: str) -> str:
        """Return the object key. Each claim has its own, below the run's prefix, so it is deleted with the run."""
        return f"{run_prefix(self.run_id)}exports/{self.id}-{self.token}.{extension}"


def claim_export(session: Session, export_id: uuid.UUID) -> ClaimedExport | None:
    """Claim a queued export. Returns None if there is nothing to build.

    An export whose run was retried since the request fails with `ExportOutdated`.
    """
    query = (
        select(Export, Run, Dataset.categories)
        .join(Run, Run.id == Export.run_id)
        .join(Job, Job.id == Run.job_id)
        .join(Dataset, Dataset.id == Job.dataset_id)
        .where(Export.id == export_id, Export.state == ExportState.QUEUED, Job.deleted_at.is_(None))
    )
    found = session.execute(query.with_for_update(of=Export)).one_or_none()
    if found is None:
        return None
    export, run, categories = found
    parts = recorded_parts(session, run.id)
    if not is_final(run.state) or parts_version(parts) != export.parts_version:
        EXPORTS.fail(export, ExportOutdated.code, ExportOutdated().message)
        return None
    EXPORTS.move(export, ExportState.RUNNING)
    export.token += 1
    export.progress, export.sent_at = 0.0, func.now()
    options = ExportOptions.from_dict(export.options)
    provenance = provenance_of_run(session, run)
    session.flush()
    return ClaimedExport(
        export.id, export.token, run.id, export.format, options, parts, run.total, categories or (), provenance
    )


def show_life(session: Session, claimed: ClaimedExport, progress: float) -> bool:
    """Store the progress (0 to 1). Returns False if the export was deleted or is another builder's."""
    shown = (
        update(Export).where(*EXPORTS.held(claimed)).values(progress=progress, sent_at=func.now()).returning(Export.id)
    )
    return session.scalars(shown).one_or_none() is not None


def complete_export(
    session: Session, claimed: ClaimedExport, key: str, size_bytes: int, sha256: str, review: int | None
) -> bool:
    """Make the file visible; `review` is the version of the review in it, None if it depends on none.

    Returns False like `show_life`; then the file is the caller's to delete.
    """
    export = EXPORTS.lock(session, claimed)
    if export is None:
        return False
    EXPORTS.move(export, ExportState.COMPLETED)
    if review is not None:
        export.review_version = review
    export.key, export.bytes, export.sha256, export.progress = key, size_bytes, sha256, 1.0
    return True


def provenance_of_run(session: Session, run: Run) -> dict[str, Any]:
    """Return what the masks come from: the run, its variant with weights and licences, parameters and hardware."""
    series = select(ReportSeries.hardware_id).where(ReportSeries.run_id == run.id)
    names = session.scalars(select(Hardware.device_name).where(Hardware.id.in_(series)).distinct())
    return {
        "run_id": str(run.id),
        "variant": run.variant,
        **run.provenance,
        "parameters": run.task,
        "hardware": sorted(names),
    }
