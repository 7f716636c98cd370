from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fixtures.api.running_api import Api, Tenant
from samfleet.client.transport import ApiError
from samfleet_cli.listing import OutputChosenTwice
from samfleet_cli.main import app

FIRST = [
    "--task",
    "box",
    "--hardware",
    "cpu",
    "--exclude-licence",
    "AGPL",
    "--min-miou",
    "0.74",
    "--max-memory",
    "2GiB",
]


@pytest.fixture
def connection(api: Api, advised: Tenant) -> list[str]:
    return ["--api-url", api.url, "--api-key", advised.key]


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, ["advise", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_table_has_the_answer_its_settings_and_the_next_steps(connection: list[str]) -> None:
    result = run(*FIRST, *connection)
    assert result.exit_code == 0
    summary, *rest = result.stdout.splitlines()
    assert summary == "edgesam in fp32 on Test CPU (8 threads): mIoU 0.757 (32 objects, measured here)"
    text = "\n".join(rest)
    assert "SAMFLEET_ACCEPT_LICENSES=S-Lab-1.0" in text
    assert "samfleet segment FOLDER --variant edgesam --task box --annotations INSTANCES.json --pool default" in text
    assert "measure next:" in text
    assert "excluded by licence" in text


def test_json_is_the_reply_and_plain_has_a_line_for_each_candidate(connection: list[str]) -> None:
    answer: dict[str, Any] = json.loads(run(*FIRST, "--json", *connection).stdout)
    lines = [line.split("\t") for line in run(*FIRST, "--plain", *connection).stdout.splitlines()]
    assert [line[:3] for line in lines] == [
        [str(one["rank"]), one["variant"], one["execution"]] for one in answer["candidates"]
    ]
    with pytest.raises(OutputChosenTwice):
        run(*FIRST, "--plain", "--json", *connection)


def test_nothing_recommended_has_its_own_exit_code(connection: list[str]) -> None:
    result = run("--task", "box", "--hardware", "L4", "--min-miou", "0.99", *connection)
    assert result.exit_code == 5
    assert "no measurement meets all constraints on NVIDIA L4" in result.stdout


def test_the_table_is_cut_unless_all_is_asked_for(connection: list[str]) -> None:
    short, whole = run(*FIRST, *connection), run(*FIRST, "--all", *connection)
    assert "more were not measured on this hardware; --all shows them" in short.output
    assert "sam_vit_h" not in short.stdout.split("measure next")[0]
    assert "sam_vit_h" in whole.stdout.split("measure next")[0]


@pytest.mark.parametrize("size", ["2 parsecs", "GiB", "-1"])
def test_a_size_without_a_known_unit_is_wrong_usage(connection: list[str], size: str) -> None:
    assert run("--max-memory", size, *connection).exit_code == 2


def test_errors_of_the_api_keep_their_codes(connection: list[str]) -> None:
    with pytest.raises(ApiError, match="did you mean NVIDIA L4") as refused:
        run("--task", "box", "--hardware", "NVIDIA L5", *connection)
    assert refused.value.problem_code == "hardware_unknown"
