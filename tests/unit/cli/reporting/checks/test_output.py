from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from samfleet_cli.exit_codes import ExitCode
from samfleet_cli.reporting.checks.output import (
    as_json,
    exit_code,
    github_annotations,
    summary,
    table_of,
    write_junit,
)
from samfleet_cli.reporting.checks.rules import Check, Outcome

PASSED = Check("max-slowdown", "mobile_sam on a CPU", Outcome.PASSED, "1.0% slower", 101.0, 100.0, 1.01, 1.0)
FAILED = Check("min-miou", "a, b: 50%\x1b[2J", Outcome.FAILED, "mIoU 0.5 is below 60 %", 0.5)
UNSURE = Check("max-slowdown", "tinysam on a CPU", Outcome.CANNOT_TELL, "perhaps")
MISSING = Check("measured", "sam_vit_b on a CPU", Outcome.MISSING, "not measured now")


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([PASSED], ExitCode.OK),
        ([PASSED, MISSING], ExitCode.OK),
        ([UNSURE], ExitCode.OK),
        ([PASSED, FAILED], ExitCode.CHECK_FAILED),
        ([MISSING], ExitCode.NOTHING_COMPARABLE),
        ([], ExitCode.NOTHING_COMPARABLE),
    ],
)
def test_each_result_has_its_exit_code(checks: list[Check], code: ExitCode) -> None:
    assert exit_code(checks) is code


def test_the_summary_counts_outcomes() -> None:
    assert summary([PASSED, FAILED, PASSED, MISSING]) == "2 passed, 1 failed, 1 missing"
    assert summary([MISSING]).startswith("nothing comparable")


def test_json_has_the_decision_and_every_figure() -> None:
    found = json.loads(as_json([PASSED, FAILED]))
    assert (found["passed"], found["checks"][0]["ratio"]) == (False, 1.01)
    assert found["checks"][1]["outcome"] == "failed"


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    write_junit(tmp_path / "junit.xml", [PASSED, FAILED, UNSURE, MISSING])
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "2",
        "errors": "0",
    }
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["skipped"], ["skipped"]]
    assert cases[1].get("name") == "a, b: 50%\N{REPLACEMENT CHARACTER}[2J"


def test_annotations_are_escaped_and_leave_out_what_passed() -> None:
    assert github_annotations([PASSED, FAILED, UNSURE]) == [
        "::error title=min-miou%3A a%2C b%3A 50%25\N{REPLACEMENT CHARACTER}[2J::mIoU 0.5 is below 60 %25",
        "::warning title=max-slowdown%3A tinysam on a CPU::perhaps",
    ]


def test_the_table_escapes_control_characters_and_markup() -> None:
    out = io.StringIO()
    hostile = Check("min-miou", "[red]\x1b[2J", Outcome.FAILED, "why")
    Console(file=out, width=120).print(table_of([hostile]))
    assert "[red]\N{REPLACEMENT CHARACTER}[2J" in out.getvalue()
    assert "\x1b" not in out.getvalue()
