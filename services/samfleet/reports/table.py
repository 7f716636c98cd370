"""The table of a report: rows with the same columns, and the parameters that they were measured with."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries
from samfleet.machine import machine_name
from samfleet.reports.task_words import task_words

Row = dict[str, Any]
DIGEST_LENGTH = 12
DIGESTS = ("parameters", "parameters_b")
IN_WORDS = "task_in_words"
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """Rows of a report. `parameters` maps the digests in the rows to parameters; `note` explains an empty report."""

    columns: tuple[str, ...]
    rows: list[Row]
    parameters: dict[str, Any] = field(default_factory=dict)
    note: str | None = None

    def csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(value) for name, value in row.items()} for row in self.rows)
        return text.getvalue()


def _inert(value: Any) -> Any:
    """Prefix an apostrophe to text that a spreadsheet would evaluate as a formula.

    Names of datasets and machines come from other people. https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINS) else value


def build_report(
    session: Session, tenant_id: uuid.UUID, keys: Iterable[str], measured: Sequence[str], rows: Iterable[Row]
) -> Report:
    """Build the report: name hardware, shorten digests, describe tasks, and sort.

    The same query gives its rows in the same order.
    """
    found = list(rows)
    names = hardware_names(session, {row["hardware"] for row in found if row.get("hardware") is not None})
    columns = tuple(name for key in keys for name in (("hardware", "hardware_id") if key == "hardware" else (key,)))
    known = read_parameters(session, tenant_id, {row[name] for row in found for name in DIGESTS if name in row})
    tasks = {digest: task_words(parameters.get("task")) for digest, parameters in known.items()}
    made = [_shown({**row, IN_WORDS: tasks[row["parameters"]]}, names) for row in found]
    made.sort(key=lambda row: tuple("" if row[name] is None else _sortable(row[name]) for name in columns))
    columns += (IN_WORDS, *measured)
    rows_in_order = [{name: row[name] for name in columns} for row in made]
    explained = {digest[:DIGEST_LENGTH]: parameters for digest, parameters in known.items()}
    return Report(columns, rows_in_order, explained)


def hardware_names(session: Session, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    rows = session.scalars(select(Hardware).where(Hardware.id.in_(list(ids))))
    return {row.id: machine_name(row.device_kind, row.device_name, row.facts) for row in rows}


def _shown(row: Row, names: Mapping[uuid.UUID, str]) -> Row:
    shown = {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in row.items()}
    shown |= {name: row[name][:DIGEST_LENGTH] for name in DIGESTS if name in row}
    if "hardware" in row:
        shown["hardware_id"] = shown["hardware"]
        shown["hardware"] = names.get(row["hardware"])
    return shown


def _sortable(value: Any) -> str:
    return f"{value:020d}" if isinstance(value, int) else str(value)


def read_parameters(session: Session, tenant_id: uuid.UUID, digests: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return task and checkpoint by full digest."""
    query = select(ReportSeries.parameters_sha256, ReportSeries.parameters).distinct()
    rows = session.execute(
        query.where(ReportSeries.tenant_id == tenant_id, ReportSeries.parameters_sha256.in_(list(digests)))
    )
    return {row.parameters_sha256: row.parameters for row in rows}
