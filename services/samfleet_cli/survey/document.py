"""Contents of a survey's report, before they are written as Markdown, HTML or CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samfleet_cli.reporting.layout import cell_words, told_apart
from samfleet_cli.survey.state import SurveyState

Row = Mapping[str, Any]
TITLES: Mapping[str, str] = {
    "task_in_words": "task",
    "p50_ms": "median ms",
    "interval": "95 % interval",
    "run_spread": "spread of runs",
    "published_on": "published on",
    "miou": "mIoU",
    "miou_small": "mIoU small",
    "miou_medium": "mIoU medium",
    "miou_large": "mIoU large",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "AP small",
    "ap_medium": "AP medium",
    "ap_large": "AP large",
    "lvis_ap": "LVIS AP",
    "lvis_ap50": "LVIS AP50",
    "lvis_ap75": "LVIS AP75",
    "lvis_apr": "AP rare",
    "lvis_apc": "AP common",
    "lvis_apf": "AP frequent",
    "lvis_ap_small": "LVIS AP small",
    "lvis_ap_medium": "LVIS AP medium",
    "lvis_ap_large": "LVIS AP large",
    "of_sets": "of",
    "published_source": "source",
    "ar_1000": "AR of 1000",
    "ar_100": "AR of 100",
    "ar_10": "AR of 10",
    "ar_1000_small": "AR of 1000, small",
    "ar_1000_medium": "AR of 1000, medium",
    "ar_1000_large": "AR of 1000, large",
    "parameters_m": "parameters (M)",
    "published_parameters_m": "published (M)",
    "encoder_gflops": "encoder GFLOPs",
    "box_gflops": "one box GFLOPs",
    "published_gflops": "published GFLOPs",
    "n": "images",
    "p_value": "p",
    "p_corrected": "p corrected",
    "best_variant": "compared with",
    "best_precision": "its precision",
    "runs_evaluated": "runs",
    "instances": "objects",
}
FIGURES = ("p50_ms", "lvis_ap", "miou", "ap", "ar_1000")  # the main figure of a table, which the chart shows
BOUNDS = {"low_ms": "high_ms", "low": "high"}
PER_CENT = frozenset({"run_spread", "other_load"})


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and cells in words."""

    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: a measured figure with its interval, and the published one."""

    label: str
    value: float
    low: float | None
    high: float | None
    published: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the survey. `common` has the values that all its measured rows share."""

    key: str
    title: str
    lead: str
    common: str
    measured: Table | None
    bars: tuple[Bar, ...]
    figure: str
    published: Table | None


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    source: str
    machines: tuple[str, ...]
    sections: tuple[Section, ...]
    missing: tuple[str, ...]


def make_document(report: Mapping[str, Any], machines: Sequence[Row], state: SurveyState) -> Document:
    """Make the contents from the API's report, the hardware in it and the state of the survey."""
    missing = [
        f"{key}: {entry.status}{f', {entry.reason}' if entry.reason else ''}"
        for key, entry in state.cells.items()
        if entry.status != "completed"
    ]
    return Document(
        title=state.title,
        source=report["source"],
        machines=tuple(map(_machine, machines)),
        sections=tuple(map(_section, report["tables"])),
        missing=tuple(missing),
    )


def _section(table: Mapping[str, Any]) -> Section:
    number = table["number"]
    rows = [_with_interval(row) for row in table["rows"]]
    shown, common = _divided(rows) if rows else ([], {})
    figure = next((name for name in FIGURES if name in table["columns"]), "")
    words = ", ".join(f"{_title(name)} {cell_words(value)}" for name, value in common.items())
    return Section(
        key=table["key"],
        title=f"Table {number}: {table['title']}" if number else table["title"],
        lead=table["lead"],
        common=words,
        measured=_table(shown) if shown else None,
        bars=tuple(_bar(row, shown) for row in shown) if figure else (),
        figure=_title(figure),
        published=_table(table["published_rows"]) if table["published_rows"] and number != _COUNTED else None,
    )


def _divided(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows without the values that they all share, and these values."""
    shown, common = told_apart(rows)
    for name in ("hardware", "precision", "weights"):
        if name in shown[0] and len({row[name] for row in shown}) == 1:
            common[name] = shown[0][name]
    return [{name: value for name, value in row.items() if name not in common} for row in shown], common


_COUNTED = 3  # this table has the published figures in its rows


def _with_interval(row: Row) -> dict[str, Any]:
    """Return the row with its bounds as one column."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in BOUNDS:
            both = (value, row[BOUNDS[name]])
            found["interval"] = None if None in both else " to ".join(map(cell_words, both))
        elif name not in BOUNDS.values():
            found[name] = f"{100 * value:.1f} %" if name in PER_CENT and value is not None else value
    low, high = next(((row[low], row[high]) for low, high in BOUNDS.items() if low in row), (None, None))
    return {**found, "_low": low, "_high": high}


def _table(rows: Sequence[Row]) -> Table:
    names = [name for name in rows[0] if not name.startswith("_")]
    cells = tuple(tuple(cell_words(row[name]) for name in names) for row in rows)
    return Table(tuple(map(_title, names)), cells)


def _bar(row: Row, rows: Sequence[Row]) -> Bar:
    figure = next(name for name in FIGURES if name in row)
    label = ", ".join(cell_words(row[name]) for name in _telling(rows) if row[name] is not None)
    return Bar(label, row[figure], row.get("_low"), row.get("_high"), row.get("published"))


def _telling(rows: Sequence[Row]) -> list[str]:
    """Return the columns that tell the rows apart, the variant always."""
    names = (
        "variant",
        "method",
        "set",
        "boxes",
        "hardware",
        "hardware_id",
        "precision",
        "dataset",
        "task_in_words",
        "site",
    )
    present = [name for name in (*names, "code_version", "parameters") if name in rows[0]]
    return [name for name in present if name == "variant" or len({row[name] for row in rows}) > 1]


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


def _machine(item: Row) -> str:
    facts = item["facts"]
    parts = [f"{name.replace('_', ' ')} {facts[name]}" for name in sorted(facts) if facts[name] not in (None, "")]
    return f"{item['device_name']} ({item['fingerprint_sha256'][:12]}): {', '.join(parts)}"
