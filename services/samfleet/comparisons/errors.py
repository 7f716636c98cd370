from __future__ import annotations

from samfleet.errors import Conflict, InvalidInput, NotFound, SamfleetError


class ComparisonNotFound(NotFound):
    """The comparison does not exist; GET /v1/comparisons lists yours."""

    code = "comparison_not_found"


class RunsNotComparable(InvalidInput):
    """The runs have different datasets, or are the same run; compare two runs over the same images."""

    code = "runs_not_comparable"


class TooManyComparisons(Conflict):
    """The run is in as many comparisons as one may be; delete some first."""

    code = "too_many_comparisons"


class ComparisonOutdated(Conflict):
    """A run was retried before the comparison was computed; request it again when the run has ended."""

    code = "comparison_outdated"


class ComparisonFailed(SamfleetError):
    """The comparison could not be computed; the results of the runs are complete."""

    code = "comparison_failed"
