from __future__ import annotations

from samfleet.db.models import Export, ExportState
from samfleet.exports.errors import ExportFailed
from samfleet.jobs.built_rows import BuiltRows
from samfleet.jobs.queue import TaskName

EXPORTS = BuiltRows(
    Export,
    ExportState,
    TaskName.EXPORT,
    noun="export",
    verb="built",
    left="the run's results are complete",
    failure=ExportFailed,
)
