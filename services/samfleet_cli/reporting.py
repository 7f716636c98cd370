"""Reports as a table, CSV, JSON or a chart."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samfleet.errors import InvalidInput
from samfleet_cli.client import SamfleetClient

REPORTS = ("latency", "throughput", "quality", "pareto", "compare", "cost")
HIDDEN = {"hardware_id", "code_version", "site"}  # of the table alone, for its width
SHOWN_DIGITS = 4
PIPED_COLUMNS = 200  # a pipe has no width, and names should not be broken
CHARTS = {
    "latency": "p50_ms",
    "throughput": "images_per_second",
    "quality": "miou",
    "pareto": "miou",
    "compare": "ratio",
    "cost": "cost_per_1000_images",
}
WHO = ("variant", "hardware", "stage", "batch_size", "precision", "dataset", "day")


class ReportNotAvailable(InvalidInput):
    """This report, or this form of it, is not available."""

    code = "report_not_available"


@dataclass(frozen=True, slots=True)
class Wanted:
    as_csv: bool = False
    as_json: bool = False
    png: Path | None = None


def check(name: str, wanted: Wanted) -> None:
    """Before anything is asked for."""
    if name not in REPORTS:
        raise ReportNotAvailable(f"there is no report {name!r}; there are {', '.join(REPORTS)}")
    if wanted.as_csv and wanted.as_json:
        raise ReportNotAvailable("--csv and --json exclude each other; give one")
    if wanted.png is not None:
        _pyplot()


def print_report(client: SamfleetClient, name: str, params: Mapping[str, Any], wanted: Wanted) -> None:
    if wanted.as_csv:
        sys.stdout.write(client.report_csv(name, params))
        if wanted.png is None:
            return
    report = client.report(name, params)
    if wanted.png is not None:
        draw(name, report["rows"], wanted.png)
    if wanted.as_json:
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    elif not wanted.as_csv:
        _print_table(report["rows"])


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from samfleet_cli import tables

    if not rows:
        tables.console().print("nothing was measured that this asks for")
        return
    out = tables.console()
    if not out.is_terminal:
        out.width = max(out.width, PIPED_COLUMNS)
    columns = tuple(name for name in rows[0] if name not in HIDDEN and any(row[name] is not None for row in rows))
    cells = [tuple(_cell(row[name]) for name in columns) for row in rows]
    out.print(tables.table_of(tuple(name.replace("_", " ") for name in columns), cells))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.{SHOWN_DIGITS}g}" if isinstance(value, float) else str(value)


def draw(name: str, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Bars of the report's main figure; for pareto, quality over speed or cost."""
    pyplot = _pyplot()
    drawn = [row for row in rows if row[CHARTS[name]] is not None]
    figure, axes = pyplot.subplots(figsize=(8, 2 + 0.3 * len(drawn)) if name != "pareto" else (8, 5))
    if name == "pareto":
        other = "images_per_second" if not drawn or "images_per_second" in drawn[0] else "cost_per_1000_images"
        for row in drawn:
            axes.scatter(row[other], row["miou"], color="tab:gray" if row["dominated"] else "tab:blue")
            axes.annotate(_label(row), (row[other], row["miou"]), xytext=(4, 4), textcoords="offset points")
        axes.set_xlabel(other.replace("_", " "))
        axes.set_ylabel("mIoU")
    else:
        axes.barh([str(index) for index in range(len(drawn))], [row[CHARTS[name]] for row in drawn])
        axes.set_yticks(range(len(drawn)), [_label(row) for row in drawn])
        axes.invert_yaxis()
        axes.set_xlabel(CHARTS[name].replace("_", " "))
    axes.set_title(name)
    figure.savefig(path, dpi=150, bbox_inches="tight", format="png")
    pyplot.close(figure)


def _label(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[name]) for name in WHO if row.get(name) is not None)


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise ReportNotAvailable("charts need matplotlib; install it with `pip install samfleet[charts]`") from error
    mpl.use("Agg")
    return importlib.import_module("matplotlib.pyplot")
