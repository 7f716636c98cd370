from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fixtures.api.api_double import ApiDouble, job, page, run
from samfleet_cli import main, tables
from samfleet_cli.listing import Column, Form, OutputChosenTwice, print_list

ID = "868a8edf-999c-4f19-aa5c-1061a3b0f5e2"
NAME = "efficientvit_sam_xl1_with_a_long_name"
WORDS = "a name of several words that may be folded where the terminal is narrow"
ROW = {"id": ID, "name": NAME, "words": WORDS, "at": datetime(2026, 11, 28, tzinfo=UTC), "on": True, "none": None}
COLUMNS = (
    Column("job", lambda row: row["id"], is_id=True),
    Column("name", lambda row: row["name"]),
    Column("words", lambda row: row["words"], folds=True),
    Column("created", lambda row: row["at"]),
    Column("here", lambda row: row["on"]),
    Column("none", lambda row: row["none"]),
)


def shown(capsys: pytest.CaptureFixture[str], form: Form | None = None, *rows: dict[str, Any]) -> str:
    print_list(COLUMNS, rows or [ROW], form or Form(), whole=[{"id": ID}], empty="there is nothing")
    return capsys.readouterr().out


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A terminal with as many columns as the test requests."""

    def console() -> Console:
        return Console(highlight=False, width=request.param, force_terminal=True, color_system=None)

    monkeypatch.setattr(tables, "console", console)


def test_a_pipe_gets_a_line_per_item_with_full_ids_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = [line for line in shown(capsys).splitlines() if NAME in line]
    assert ID in line
    assert WORDS in line


@pytest.mark.parametrize("terminal", [80, 110], indirect=True)
@pytest.mark.usefixtures("terminal")
def test_a_narrow_terminal_shows_short_ids_and_unbroken_names(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys)
    assert ID not in text
    (line,) = [line for line in text.splitlines() if NAME in line]
    assert ID[:8] in line
    assert "2026-11-2" in line


@pytest.mark.parametrize("terminal", [240], indirect=True)
@pytest.mark.usefixtures("terminal")
def test_a_wide_terminal_shows_full_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert ID in shown(capsys)


def test_plain_output_separates_fields_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    line = shown(capsys, Form(plain=True), {**ROW, "words": "two\tfields\nno"})
    assert line == f"{ID}\t{NAME}\ttwo fields no\t2026-11-28T00:00:00+00:00\ttrue\t\n"


def test_json_output_is_the_value_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(shown(capsys, Form(as_json=True))) == [{"id": ID}]


def test_two_output_forms_at_once_are_refused() -> None:
    with pytest.raises(OutputChosenTwice):
        Form(as_json=True, plain=True)


def test_an_empty_list_prints_a_message_instead_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_list(COLUMNS, [], Form(), whole=[], empty="there is nothing")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "there is nothing\n")


def cli(monkeypatch: pytest.MonkeyPatch, api: ApiDouble, *words: str) -> str:
    monkeypatch.setattr("samfleet_cli.connection.SamfleetClient", lambda _url, _key: api.client())
    result = CliRunner().invoke(main.app, [*words, "--api-url", "http://api.test", "--api-key", "key"])
    assert result.exception is None, result.output
    return result.output


def test_jobs_are_listed_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = job(id=ID, name="night run", labels={"team": "a", "b": ""}, runs=[run(), run(variant="tinysam")])
    api = ApiDouble({"GET /v1/jobs": page(shown)})
    assert cli(monkeypatch, api, "jobs", "list", "--plain") == (
        f"{ID}\tnight run\tcompleted\t2026-01-01T00:00:00+00:00\tmobile_sam, tinysam\t2\t0\tb=, team=a\n"
    )


def test_a_job_without_errors_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    api = ApiDouble({"GET /v1/jobs/j1": job(), "GET /v1/jobs/j1/errors": page()})
    assert cli(monkeypatch, api, "jobs", "errors", "j1") == "no image failed\n"


def test_colons_in_texts_are_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would write a cross for `:x:`, such as in the line for /etc/passwd that `samfleet doctor` advises."""
    tables.console().print(tables.table_of(("name",), [("a:cat:b",)]))
    tables.console().print("samfleet:x:1", markup=False)
    out = capsys.readouterr().out
    assert "a:cat:b" in out
    assert "samfleet:x:1" in out


def test_every_console_leaves_colons_alone() -> None:
    """Console() without emoji=False stands nowhere in the commands."""
    folder = Path(main.__file__).parent
    calls = [
        (path.name, call)
        for path in folder.rglob("*.py")
        for call in re.findall(r"\bConsole\([^)\n]*", path.read_text())
    ]
    assert len(calls) >= 5
    assert [found for found in calls if "emoji=False" not in found[1]] == []


def test_help_shows_flags_without_a_value_and_brackets_verbatim() -> None:
    for words in (["jobs", "list"], ["report", "latency"], ["variants", "list"], ["segment"], ["up"]):
        text = CliRunner().invoke(main.app, [*words, "--help"], env={"COLUMNS": "160", "TERM": "dumb"}).output
        assert [line for line in text.splitlines() if "<bool>" in line and "--help" not in line] == []
        if words[0] == "report":
            assert "samfleet[charts]" in text
