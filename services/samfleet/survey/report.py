"""The survey's tables over this database's measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report, read_parameters
from samfleet.survey import other_sets, quality, size, speed
from samfleet.survey.differences import COLUMNS, Entry, corrected, quality_differences, time_differences
from samfleet.survey.tables import HEADINGS, SurveyTable, published_table
from samfleet.variants.stand_ins import is_stand_in
from samfleet.variants.survey_figures import VITDET

GROUPS = (Dimension.VARIANT, Dimension.HARDWARE, Dimension.PRECISION, Dimension.DATASET)
_IDENTITY = (*(group.value for group in GROUPS), "site", "code_version", "parameters")
_Maker = Callable[[Row, Mapping[str, Any], str | None], Row | None]


@dataclass(frozen=True, slots=True)
class _Measurements:
    """Measured rows, with the tasks by digest of the parameters and the meaning of each dataset's label."""

    timed: Sequence[speed.Timed]
    evaluated: Sequence[Row]
    tasks: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, str]
    machines: Mapping[Any, Hardware]

    def one_box(self) -> list[Row]:
        single = {_identity(row) for row in self.evaluated if row["n"] and row["instances"] == row["n"]}
        return [
            speed.one_box_row(one, self.machines)
            for one in self.timed
            if _identity(one.row) in single and self._task(one.row) == ("prompts", "box")
        ]

    def everything(self) -> list[Row]:
        return _found(speed.everything_row(one, self.tasks[one.row["parameters"]], self.machines) for one in self.timed)

    def differences(self) -> list[Row]:
        """Return all rows that are behind the best one of their table and task."""
        single = {_identity(row) for row in self.one_box()}
        found: list[Row] = []
        for name, timed in (("one_box", single), ("everything", {_identity(row) for row in self.everything()})):
            entries = [
                Entry(one.row, one.fields["p50_ms"], one.medians) for one in self.timed if _identity(one.row) in timed
            ]
            found += time_differences(name, "p50_ms", entries, self.tasks)
        makers: tuple[tuple[str, str, _Maker], ...] = (
            ("prompts", "miou", quality.prompted_row),
            ("detectors", "ap", quality.detected_row),
            ("lvis", "lvis_ap", other_sets.lvis_row),
            ("uvo", "ap", other_sets.uvo_row),
            ("recall", "ar_1000", quality.everything_row),
        )
        for name, figure, make in makers:
            found += quality_differences(name, figure, _entries(self.of_quality(make), figure), self.tasks)
        means = _entries(self.sginw_means(), "ap")
        found += quality_differences("sginw_mean", "ap", means, self.tasks, ("dataset", other_sets.MEMBERS))
        return corrected(found)

    def sginw_means(self) -> list[Row]:
        return other_sets.sginw_means(self.of_quality(other_sets.sginw_row), _IDENTITY)

    def of_quality(self, make: _Maker) -> list[Row]:
        """Return rows of quality, without stand-ins: masks of random weights mean nothing."""
        real = [row for row in self.evaluated if not is_stand_in(row["variant"])]
        return _found(make(row, self.tasks[row["parameters"]], self.samples.get(row["dataset"])) for row in real)

    def _task(self, row: Row) -> tuple[Any, Any]:
        task = self.tasks[row["parameters"]]
        return task.get("kind"), task.get("prompt")


def survey_tables(session: Session, query: ReportQuery, samples: Mapping[str, str]) -> list[SurveyTable]:
    """Return all tables. `samples` names, by label of a dataset, what it is a sample of (`samfleet.survey.samples`).

    Quality is compared with published figures only for such datasets.
    """
    measured = _read(session, replace(query, group_by=GROUPS), samples)
    keys = replace(query, group_by=GROUPS).keys()

    def table(columns: Sequence[str], rows: list[Row]) -> Report:
        return build_report(session, query.tenant_id, keys, columns, rows)

    def quality_table(columns: Sequence[str], rows: list[Row]) -> Report:
        return table((*quality.COUNTS, *columns), rows)

    boxes = measured.of_quality(quality.detected_row)
    of_vitdet = [row for row in boxes if row["boxes"] == VITDET.label]
    others = [row for row in boxes if row["boxes"] != VITDET.label]
    detected = ("boxes", *quality.PRECISION, *quality.COMPARED)
    made = {
        "size": Report(("variant", *size.MEASURED), size.size_rows()),
        "one_box": table(speed.MEASURED, measured.one_box()),
        "everything": table(("method", *speed.MEASURED), measured.everything()),
        "prompts": quality_table((*quality.PROMPTED, *quality.COMPARED), measured.of_quality(quality.prompted_row)),
        "vitdet": quality_table(detected, of_vitdet),
        "detectors": quality_table(detected, others),
        "lvis": quality_table(other_sets.LVIS_COLUMNS, measured.of_quality(other_sets.lvis_row)),
        "uvo": quality_table(other_sets.UVO_COLUMNS, measured.of_quality(other_sets.uvo_row)),
        "sginw_mean": quality_table(other_sets.SGINW_MEAN_COLUMNS, measured.sginw_means()),
        "sginw": quality_table(other_sets.SGINW_COLUMNS, measured.of_quality(other_sets.sginw_row)),
        "recall": quality_table(quality.RECALL, measured.of_quality(quality.everything_row)),
        "differences": table(COLUMNS, measured.differences()),
    }
    return [SurveyTable(heading, made[heading.key], published_table(heading)) for heading in HEADINGS]


def _read(session: Session, query: ReportQuery, samples: Mapping[str, str]) -> _Measurements:
    timed, rows = speed.timed(session, query), quality.evaluated(session, query)
    known = [*(one.row for one in timed), *rows]
    parameters = read_parameters(session, query.tenant_id, {row["parameters"] for row in known})
    machines = session.scalars(select(Hardware).where(Hardware.id.in_({row["hardware"] for row in known})))
    tasks = {digest: values.get("task") or {} for digest, values in parameters.items()}
    return _Measurements(timed, rows, tasks, samples, {machine.id: machine for machine in machines})


def _identity(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _IDENTITY)


def _entries(rows: Iterable[Row], figure: str) -> list[Entry]:
    return [Entry(row, row[figure], row[quality.REPLICATES].get(figure)) for row in rows]


def _found(rows: Iterable[Row | None]) -> list[Row]:
    return [row for row in rows if row is not None]
