"""Output of checks: a table, JSON, JUnit's XML, and annotations of GitHub Actions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from samfleet.files import replacing
from samfleet_cli.exit_codes import ExitCode
from samfleet_cli.reporting.checks.rules import Check, Outcome
from samfleet_cli.reporting.layout import cell_words

if TYPE_CHECKING:
    from rich.table import Table

COMPARED = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.CANNOT_TELL})
STYLES = {Outcome.FAILED: "bold red", Outcome.CANNOT_TELL: "yellow", Outcome.MISSING: "yellow"}
GITHUB = {Outcome.FAILED: "error", Outcome.CANNOT_TELL: "warning", Outcome.MISSING: "warning"}


def exit_code(checks: Sequence[Check]) -> ExitCode:
    if any(one.outcome is Outcome.FAILED for one in checks):
        return ExitCode.CHECK_FAILED
    return ExitCode.OK if any(one.outcome in COMPARED for one in checks) else ExitCode.NOTHING_COMPARABLE


def summary(checks: Sequence[Check]) -> str:
    """Return one line: `2 passed, 1 failed`."""
    if not any(one.outcome in COMPARED for one in checks):
        return "nothing comparable: no measurement has the work of the baseline, or the figures of the limits"
    counts = Counter(one.outcome for one in checks)
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])


def table_of(checks: Sequence[Check]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("outcome", "rule", "measurement", "why", box=SIMPLE_HEAD, pad_edge=False)
    for one in checks:
        words = (Text(cell_words(cell)) for cell in (one.rule, one.name, one.message))
        table.add_row(Text(one.outcome.value, STYLES.get(one.outcome, "")), *words)
    return table


def as_json(checks: Sequence[Check]) -> str:
    body = {"passed": exit_code(checks) is ExitCode.OK, "summary": summary(checks), "checks": [*map(asdict, checks)]}
    return json.dumps(body, indent=2, ensure_ascii=False)


def write_junit(path: Path, checks: Sequence[Check]) -> None:
    """Write a JUnit report: one test case for each check; those without a decision are skipped."""
    counts = Counter(one.outcome for one in checks)
    undecided = counts[Outcome.CANNOT_TELL] + counts[Outcome.MISSING]
    numbers = {"tests": len(checks), "failures": counts[Outcome.FAILED], "skipped": undecided, "errors": 0}
    attributes = {"name": "samfleet report check", **{name: str(number) for name, number in numbers.items()}}
    suite = ET.Element("testsuite", attributes)
    for one in checks:
        case = ET.SubElement(suite, "testcase", classname=one.rule, name=cell_words(one.name))
        message = cell_words(one.message)
        if one.outcome is Outcome.FAILED:
            ET.SubElement(case, "failure", message=message)
        elif one.outcome is not Outcome.PASSED:
            ET.SubElement(case, "skipped", message=f"{one.outcome.value}: {message}")
    with replacing(path) as file:
        file.write(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def github_annotations(checks: Sequence[Check]) -> list[str]:
    """Return workflow commands of GitHub Actions for everything that did not pass.

    Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    return [
        f"::{GITHUB[one.outcome]} title={_property(f'{one.rule}: {one.name}')}::{_data(one.message)}"
        for one in checks
        if one.outcome in GITHUB
    ]


def _data(text: str) -> str:
    return cell_words(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
