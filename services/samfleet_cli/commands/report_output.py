"""Output of reports as a table, CSV, JSON or a chart."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import SHOWN_ID
from samfleet_cli.commands.report_options import Asked
from samfleet_cli.connection import choose_api, connect
from samfleet_cli.listing import OutputChosenTwice
from samfleet_cli.reporting.charts import draw, require_pyplot
from samfleet_cli.reporting.hardware import hardware_id
from samfleet_cli.reporting.layout import lay_out

MOST_JOBS = 1000  # one page of the list
PIPED_COLUMNS = 200  # a pipe has no width, and names should not be broken
Row = Mapping[str, Any]


def print_report(asked: Asked, name: str, **own: Any) -> None:
    """Print a report. `own` has the parameters of this report only; None means not given."""
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
    """Return the query parameters, with names of hardware replaced by ids."""
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
        print_table(_with_names_of_jobs(client, report["rows"]), report.get("note"), report["parameters"])


def _with_names_of_jobs(client: SamfleetClient, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows with the names of their jobs in place of ids, by name where they differ only in the job.

    A job without a name, of another site, deleted, or older than the last `MOST_JOBS` keeps its id. If several jobs
    have one name, the beginnings of their ids follow.
    """
    wanted = {row["job"] for row in rows if row.get("job")}
    if not wanted:
        return rows
    named = {job.id: job.name for job in islice(client.jobs(), MOST_JOBS) if job.id in wanted and job.name}
    uses = Counter(named.values())
    words = {job: name if uses[name] == 1 else f"{name} ({job[:SHOWN_ID]})" for job, name in named.items()}
    shown = [{**row, "job": words.get(row["job"], row["job"])} for row in rows]
    before = [tuple(takewhile(lambda item: item[0] != "job", row.items())) for row in shown]
    first = {others: number for number, others in reversed(list(enumerate(before)))}
    order = sorted(range(len(shown)), key=lambda number: (first[before[number]], str(shown[number]["job"])))
    return [shown[number] for number in order]


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(rows: Sequence[Row], note: str | None = None, parameters: Row | None = None) -> None:
    """Print rows as tables. `note` is the server's explanation of a report without rows; `parameters` are by digest."""
    from samfleet_cli import tables

    out = tables.console()
    if not rows:
        out.print(note or "no measurements match", markup=False)
        return
    if not out.is_terminal:
        out.width = max(out.width, PIPED_COLUMNS)
    context, found = lay_out(rows, out.width, parameters)
    if context:
        out.print(context, markup=False)
    for table in found:
        out.print(table)
