"""Tables 6 to 8, and average recall of SegEvery: the quality of masks in per cent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from samfleet.quality.resampling import interval_of
from samfleet.reports.figures import FIGURES, read_replicates
from samfleet.reports.quality import read_quality
from samfleet.reports.query import ReportQuery
from samfleet.reports.table import Row
from samfleet.survey.conditions import SGINW_SETS, UVO, detector_condition, fields_of, prompt_condition
from samfleet.variants.survey_figures import Condition

REPLICATES = "replicates"  # key of a row, not a column
RESAMPLED = {  # names in reports and in the survey
    "miou_evaluated": "miou",
    "ap": "ap",
    "ar_1000": "ar_1000",
    "ap_agnostic": "ap_agnostic",
    "lvis_ap": "lvis_ap",
}
COUNTS = ("n", "failures", "instances", "runs_evaluated")
INTERVAL = ("low", "high")
COMPARED = ("published", "published_on", "difference")
PROMPTED = ("miou", *INTERVAL, "miou_small", "miou_medium", "miou_large")
PRECISION = ("ap", *INTERVAL, "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
RECALL = ("ar_1000", *INTERVAL, "ar_100", "ar_10", "ar_1000_small", "ar_1000_medium", "ar_1000_large")


def evaluated(session: Session, query: ReportQuery) -> list[Row]:
    """Return the figures of all rows of the query with annotations. `miou` is that of the evaluation of whole runs.

    `REPLICATES` has the resampled main figures in per cent, float64 [replicates] by name.
    """
    keys = query.keys()
    resampled = read_replicates(session, query, keys, RESAMPLED)
    return [
        {**_in_per_cent(row), REPLICATES: _per_cent(resampled.get(tuple(row[name] for name in keys), {}))}
        for row in read_quality(session, query)
    ]


def prompted_row(row: Row, task: Mapping[str, Any], sample_of: str | None) -> Row | None:
    """Return a row of table 6; None unless the task prompts with annotations and the run was evaluated."""
    if task.get("kind") != "prompts" or row["miou"] is None:
        return None
    return _compared(with_interval(row, "miou"), "miou", prompt_condition(task, sample_of))


def detected_row(row: Row, task: Mapping[str, Any], sample_of: str | None) -> Row | None:
    """Return a row of tables 7 and 8; None unless boxes of a detector prompted. UVO and SGinW have their own tables."""
    if task.get("boxes_from") != "detections" or row["ap"] is None or sample_of in {UVO, *SGINW_SETS}:
        return None
    condition = detector_condition(sample_of)
    return {
        **_compared(with_interval(row, "ap"), "ap", condition),
        "boxes": condition.label if condition else "other detections",
    }


def everything_row(row: Row, task: Mapping[str, Any], _sample_of: str | None) -> Row | None:
    """Return a row of the table of recalls; None unless the task finds all masks without boxes of the dataset."""
    if task.get("kind") != "everything" or task.get("boxes_from") in {"annotations", "detections"}:
        return None
    return with_interval(row, "ar_1000") if row["ar_1000"] is not None else None


def _per_cent(resampled: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    return {RESAMPLED[name]: 100 * replicates for name, replicates in resampled.items()}


def with_interval(row: Row, figure: str) -> Row:
    """Return the row with the 95 % interval of a figure as `low` and `high`; None without replicates."""
    low, high = interval_of(row[REPLICATES].get(figure)) or (None, None)
    return {**row, "low": low, "high": high}


def _in_per_cent(row: Row) -> Row:
    """Convert fractions to per cent, and take the figures of the evaluation for `miou`."""
    figures = {name: None if row[name] is None else 100 * row[name] for name in FIGURES}
    return {**row, **figures, "miou": figures["miou_evaluated"]}


def _compared(row: Row, figure: str, condition: Condition | None) -> Row:
    fields = fields_of(condition, row["variant"])
    known = fields["published"] is not None
    return {**row, **fields, "difference": row[figure] - fields["published"] if known else None}
