from __future__ import annotations

from samfleet.comparisons.errors import ComparisonFailed
from samfleet.db.models import Comparison, ComparisonState
from samfleet.jobs.built_rows import BuiltRows
from samfleet.jobs.queue import TaskName

COMPARISONS = BuiltRows(
    Comparison,
    ComparisonState,
    TaskName.COMPARE,
    noun="comparison",
    verb="computed",
    left="the results of the runs are complete",
    failure=ComparisonFailed,
    continues=True,
)
