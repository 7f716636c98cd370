"""Reports as a table, CSV, JSON or a chart."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from samfleet.errors import InvalidInput
from samfleet_cli.client import SamfleetClient
from samfleet_cli.connection import choose_api, connect
from samfleet_cli.reporting.charts import draw, require_pyplot
from samfleet_cli.reporting.hardware import SHOWN_ID, hardware_id
from samfleet_cli.reporting.options import Asked

if TYPE_CHECKING:
    from rich.table import Table

# What identifies a row and is mostly the same in all of them; then it stands once, above the table.
CONTEXT = (
    "site", "code_version", "parameters", "parameters_b", "dataset", "a", "b", "price_per_hour", "currency", "quality",
)  # fmt: skip
SIZES = ("_small", "_medium", "_large")  # twelve columns of quality that only --csv and --json have
SHOWN_DIGITS = 4
PIPED_COLUMNS = 200  # a pipe has no width, and names should not be broken
Row = Mapping[str, Any]


class OutputChosenTwice(InvalidInput):
    """--csv and --json exclude each other; give one."""

    code = "output_chosen_twice"


def print_report(asked: Asked, name: str, **own: Any) -> None:
    """`own` are parameters of this report alone; those that are None were not given."""
    if asked.as_csv and asked.as_json:
        raise OutputChosenTwice
    if asked.png is not None:
        require_pyplot()
    with open_api(asked) as client:
        params = params_of(client, asked) | {key: value for key, value in own.items() if value is not None}
        if params.get("by") == "hardware":
            params |= {side: hardware_id(client, params[side]) for side in ("a", "b")}
        _print(client, asked, name, params)


@contextmanager
def open_api(asked: Asked) -> Iterator[SamfleetClient]:
    with connect(choose_api(asked.api_url, asked.api_key)) as client:
        yield client


def params_of(client: SamfleetClient, asked: Asked) -> dict[str, Any]:
    """With ids in place of the machines' names."""
    params = dict(asked.params)
    if "hardware" in params:
        params["hardware"] = [hardware_id(client, wanted) for wanted in params["hardware"]]
    return params


def _print(client: SamfleetClient, asked: Asked, name: str, params: Row) -> None:
    if asked.as_csv:
        sys.stdout.write(client.report_csv(name, params))
        if asked.png is None:
            return
    report = client.report(name, params)
    if asked.png is not None:
        draw(name, report["rows"], asked.png)
    if asked.as_json:
        print_json(report)
    elif not asked.as_csv:
        print_table(report["rows"])


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(rows: Sequence[Row]) -> None:
    from samfleet_cli import tables

    out = tables.console()
    if not rows:
        out.print("nothing was measured that this asks for")
        return
    if not out.is_terminal:
        out.width = max(out.width, PIPED_COLUMNS)
    context, table = report_table(rows)
    if context:
        out.print(context, markup=False)
    out.print(table)


def report_table(rows: Sequence[Row]) -> tuple[str, Table]:
    """What all rows have in common, and a table of the rest."""
    from samfleet_cli import tables

    shown, common = _told_apart(rows)
    columns = [name for name in shown[0] if name not in common]
    numbers = [all(_is_number(row[name]) for row in shown) for name in columns]
    cells = [[_cell(row[name]) for name in columns] for row in shown]
    context = ", ".join(f"{_title(name)} {_cell(value)}" for name, value in common.items())
    return context, tables.measures_table([_title(name) for name in columns], numbers, cells)


def _told_apart(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows as the table has them, and what stands above it. Ids of machines are shown where names do not do, and
    figures that no row has are not.
    """
    names, ids = ({row.get(name) for row in rows} for name in ("hardware", "hardware_id"))
    hidden = {"hardware_id"} if len(names) == len(ids) else set()
    hidden |= {name for name in rows[0] if name.endswith(SIZES) or all(row[name] is None for row in rows)}
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    for row in shown:
        if row.get("hardware_id"):
            row["hardware_id"] = row["hardware_id"][:SHOWN_ID]
    common = {name: rows[0][name] for name in CONTEXT if name in rows[0] and len({row[name] for row in rows}) == 1}
    return shown, {name: value for name, value in common.items() if value is not None}


def _title(name: str) -> str:
    return name.replace("_", " ")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10**SHOWN_DIGITS else f"{value:.{SHOWN_DIGITS}g}"
    return str(value)
