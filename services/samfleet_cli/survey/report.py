"""Files of a survey's report: Markdown, HTML, one CSV per table, and the API's reply."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.files import write_json, write_text
from samfleet.reports.table import Report
from samfleet_cli.survey.document import make_document
from samfleet_cli.survey.markdown import as_markdown
from samfleet_cli.survey.page import as_html
from samfleet_cli.survey.state import SurveyState


def fetch_report(client: SamfleetClient, state: SurveyState) -> dict[str, Any]:
    """Return the API's tables over the survey's datasets."""
    datasets = state.datasets.values()
    params = {
        "dataset_id": [one.id for one in datasets],
        "sample_of": [f"{one.id}:{one.sample_of}" for one in datasets if one.sample_of],
    }
    return client.report("survey", {name: values for name, values in params.items() if values})


def write_report(client: SamfleetClient, state: SurveyState, folder: Path) -> list[Path]:
    """Write all files of the report and return their paths."""
    report = fetch_report(client, state)
    used = {row.get("hardware_id") for table in report["tables"] for row in table["rows"]}
    machines = [item for item in client.hardware() if item["id"] in used]
    document = make_document(report, machines, state)
    texts = {"survey.md": as_markdown(document), "survey.html": as_html(document)}
    texts |= {f"{table['key']}.csv": _csv(table) for table in report["tables"]}
    write_json(folder / "report.json", report)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in (*texts, "report.json")]


def _csv(table: Mapping[str, Any]) -> str:
    return Report(tuple(table["columns"]), list(table["rows"])).csv()
