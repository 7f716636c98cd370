"""Comparison of two machines or two variants: which one is faster, and how certain that is.

The interval of the ratio is a bootstrap of both medians (`samfleet.reports.intervals`). p-values are corrected for the
number of pairs in the report: of many equal pairs, some differ by chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from samfleet.reports.cells import Cells, read_cells
from samfleet.reports.intervals import median_ratio_spread
from samfleet.reports.query import Dimension, ReportInvalid, ReportQuery
from samfleet.reports.significance import CANNOT_TELL, LEVEL, holm
from samfleet.reports.table import Report, Row, build_report, hardware_names, read_parameters
from samfleet.reports.task_words import task_words
from samfleet.wire.stages import IMAGE

MEASURED = (
    "a",
    "b",
    "a_in_words",
    "b_in_words",
    "parameters_b",
    "n_a",
    "n_b",
    "p50_a_ms",
    "p50_b_ms",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "p_corrected",
    "verdict",
)
_MOST_LISTED = 3
By = Literal["variant", "hardware"]


def compare(session: Session, query: ReportQuery, by: By, a: Any, b: Any) -> Report:
    """Compare `a` with `b`: `ratio` is the median of `a` over that of `b`, so below 1 `a` is faster.

    Only equal work is compared: one dataset and one task, and for two machines also one checkpoint. Two variants never
    have the same checkpoint; `parameters_b` is the digest of b's parameters. `a_in_words` and `b_in_words` name the
    sides: a machine's name, or the variant. If nothing pairs, `note` lists what each side did.
    """
    if a == b:
        raise ReportInvalid(f"a and b are both {a}; name two to compare")
    dimension = Dimension(by)
    chosen = replace(query, filters={**query.filters, dimension: (a, b)})
    if not chosen.filters.get(Dimension.STAGE):
        chosen = replace(chosen, filters={**chosen.filters, Dimension.STAGE: (IMAGE,)})
    groups = (Dimension.VARIANT, Dimension.HARDWARE, Dimension.DATASET, *query.group_by)
    keys = replace(chosen, group_by=groups).keys(Dimension.STAGE)
    cells = read_cells(session, chosen, keys)
    known = read_parameters(session, query.tenant_id, {row["parameters"] for row in cells.rows})
    for row in cells.rows:
        task = known[row["parameters"]].get("task")
        row.update(task=json.dumps(task, sort_keys=True), work=f"{task_words(task)} on {row['dataset']}")
    pairing = _pairing(keys, by)
    rows = _pairs(cells, by, a, b, pairing)
    shown = [name for name in keys if name in pairing or name == "parameters"]
    names = hardware_names(session, (a, b)) if by == "hardware" else {}
    words = {f"{side}_in_words": names.get(key, str(key)) for side, key in (("a", a), ("b", b))}
    report = build_report(session, query.tenant_id, shown, MEASURED, [{**row, **words} for row in rows])
    if rows:
        return report
    return replace(report, note=_why_nothing_pairs(cells, by, list(zip((a, b), words.values(), strict=True))))


def _pairing(keys: Iterable[str], by: By) -> list[str]:
    """Return the keys that two rows must have in common."""
    if by == "variant":
        return [name for name in keys if name not in {"variant", "parameters"}] + ["task"]
    return [name for name in keys if name not in {"hardware", "precision", "pool", "site", "job"}]


def _why_nothing_pairs(cells: Cells, by: By, sides: Sequence[tuple[Any, str]]) -> str:
    """Describe the work of each side, so that a user sees what to measure. `sides` are keys and names."""
    done = {name: sorted({row["work"] for row in cells.rows if row[by] == side and row["n"]}) for side, name in sides}
    if missing := [name for name, work in done.items() if not work]:
        return f"the filters leave no measurements of {' and '.join(missing)}"
    same = "machine" if by == "variant" else "variant"
    return (
        f"only measurements of the same task, dataset, {same} and code version are compared, and the two have none in "
        f"common. {'; '.join(f'{name}: {_listed(work)}' for name, work in done.items())}"
    )


def _listed(work: Sequence[str]) -> str:
    more = f" and {len(work) - _MOST_LISTED} more" if len(work) > _MOST_LISTED else ""
    return " / ".join(work[:_MOST_LISTED]) + more


def _pairs(cells: Cells, by: str, a: Any, b: Any, pairing: list[str]) -> list[Row]:
    sides: dict[Any, dict[tuple[Any, ...], list[int]]] = {a: {}, b: {}}
    for index, row in enumerate(cells.rows):
        if row["n"]:
            sides[row[by]].setdefault(tuple(row[name] for name in pairing), []).append(index)
    found = [
        _row(cells, left, right, by)
        for key, lefts in sides[a].items()
        for left in lefts
        for right in sides[b].get(key, ())
    ]
    return _corrected(found)


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with p-values corrected for the number of pairs, and with verdicts."""
    known = [place for place, row in enumerate(rows) if row["p_value"] is not None]
    corrected = dict(zip(known, holm([rows[place]["p_value"] for place in known]), strict=True))
    return [
        {**row, "p_corrected": corrected.get(place), "verdict": _verdict(row, corrected.get(place, 1.0))}
        for place, row in enumerate(rows)
    ]


def _verdict(row: Row, p_corrected: float) -> str:
    if p_corrected >= LEVEL or row["ratio_low"] <= 1 <= row["ratio_high"]:
        return CANNOT_TELL
    return "a is faster" if row["ratio_high"] < 1 else "b is faster"


def _row(cells: Cells, left: int, right: int, by: str) -> Row:
    a, b = cells.rows[left], cells.rows[right]
    (median_a,), (median_b,) = cells.percentiles((0.5,))[[left, right]]
    spread = median_ratio_spread(cells, left, right)
    return {
        **a,
        "a": str(a[by]),
        "b": str(b[by]),
        "parameters_b": b["parameters"],
        "n_a": a["n"],
        "n_b": b["n"],
        "p50_a_ms": float(median_a),
        "p50_b_ms": float(median_b),
        "ratio": float(median_a / median_b) if median_b else None,
        "ratio_low": spread.low if spread else None,
        "ratio_high": spread.high if spread else None,
        "p_value": spread.p_value if spread else None,
    }
