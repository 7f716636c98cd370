"""Differences between the rows of a table: which rows are really behind the best one, and by how much.

Rows are compared with the best row of the same dataset and prompts, and for times also of the same hardware.
Differences of quality are paired: both runs segmented the same images (`samfleet.quality.resampling`). Times are
compared by the ratio of medians. p-values are corrected for the number of comparisons in all tables.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samfleet.reports.intervals import INTERVAL
from samfleet.reports.significance import CANNOT_TELL, LEVEL, holm, two_sided_p
from samfleet.reports.table import Row

COLUMNS = (
    "table",
    "figure",
    "value",
    "best",
    "best_variant",
    "best_precision",
    "difference",
    "ratio",
    "low",
    "high",
    "p_value",
    "p_corrected",
    "verdict",
)
Tasks = Mapping[str, Mapping[str, Any]]
PROMPTING = ("kind", "sampler", "points_per_side", "crop_n_layers", "boxes_from")
Kind = Literal["difference", "ratio"]
BEHIND: Mapping[Kind, str] = {"difference": "worse", "ratio": "slower"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table, with its main figure and the resampled values of it; None if there are too few."""

    row: Row
    value: float
    replicates: NDArray[np.float64] | None


def quality_differences(
    table: str, figure: str, entries: Sequence[Entry], tasks: Tasks, same: tuple[str, ...] = ("dataset",)
) -> Iterator[Row]:
    """Yield a row for each entry but the best ones, with its difference in percentage points.

    Only entries with equal values of `same` are compared.
    """
    for group in _groups(entries, tasks, same):
        best = max(group, key=lambda entry: entry.value)
        yield from (_row(table, figure, entry, best, "difference") for entry in group if entry is not best)


def time_differences(table: str, figure: str, entries: Sequence[Entry], tasks: Tasks) -> Iterator[Row]:
    """Yield a row for each entry but the fastest ones, with the ratio of its median to theirs."""
    for group in _groups(entries, tasks, ("dataset", "hardware")):
        best = min(group, key=lambda entry: entry.value)
        yield from (_row(table, figure, entry, best, "ratio") for entry in group if entry is not best)


def corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with corrected p-values and verdicts."""
    known = [place for place, row in enumerate(rows) if row["p_value"] is not None]
    values = dict(zip(known, holm([rows[place]["p_value"] for place in known]), strict=True))
    return [
        {
            **row,
            "p_corrected": values.get(place),
            "verdict": row["behind"] if values.get(place, 1.0) < LEVEL else CANNOT_TELL,
        }
        for place, row in enumerate(rows)
    ]


def prompts_of(task: Mapping[str, Any]) -> str:
    """Return what a task prompts with, without thresholds: each variant has its own, as in the survey."""
    if task.get("kind") != "everything":
        return json.dumps(task, sort_keys=True)
    return json.dumps({name: task[name] for name in PROMPTING if name in task}, sort_keys=True)


def _groups(entries: Sequence[Entry], tasks: Tasks, names: tuple[str, ...]) -> Iterator[list[Entry]]:
    found: defaultdict[tuple[Any, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        work = prompts_of(tasks[entry.row["parameters"]])
        found[(work, *(entry.row[name] for name in names))].append(entry)
    yield from found.values()


def _row(table: str, figure: str, entry: Entry, best: Entry, kind: Kind) -> Row:
    return {
        **entry.row,
        "table": table,
        "figure": figure,
        "value": entry.value,
        "best": best.value,
        "best_variant": best.row["variant"],
        "best_precision": best.row["precision"],
        "behind": BEHIND[kind],
        "difference": None,
        "ratio": None,
        **_compared(entry, best, kind),
    }


def _compared(entry: Entry, best: Entry, kind: Kind) -> Row:
    """Return the difference or the ratio of both figures, with its interval and p-value; None where unknown."""
    relate, neutral = (np.subtract, 0.0) if kind == "difference" else (np.divide, 1.0)
    if kind == "ratio" and not best.value:
        return {kind: None, "low": None, "high": None, "p_value": None}
    value = float(relate(entry.value, best.value))
    if entry.replicates is None or best.replicates is None:
        return {kind: value, "low": None, "high": None, "p_value": None}
    length = min(len(entry.replicates), len(best.replicates))
    replicates = relate(entry.replicates[:length], best.replicates[:length])
    low, high = (float(bound) for bound in np.quantile(replicates, INTERVAL))
    return {kind: value, "low": low, "high": high, "p_value": two_sided_p(value - neutral, replicates)}
