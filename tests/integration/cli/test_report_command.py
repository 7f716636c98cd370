from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.api import Api, Tenant
from fixtures.recorded import carry_out, new_job
from samfleet_cli.main import app
from samfleet_cli.reporting import ReportNotAvailable
from samfleet_cli.transport import ApiError


@pytest.fixture
def arguments(api: Api, tenant: Tenant, folder: Path) -> list[str]:
    """Of a tenant that has measured something."""
    carry_out(api, new_job(tenant, folder, images=3))
    return ["--api-url", api.url, "--api-key", tenant.key]


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["report", *words])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_json_and_csv_have_the_same_rows(arguments: list[str]) -> None:
    wanted = ["--stage", "encode", "--stage", "decode", "--since", "2020-01-01T00:00:00", *arguments]
    rows = json.loads(run("latency", "--json", *wanted))["rows"]
    assert [row["stage"] for row in rows] == ["decode", "encode"]
    parsed = list(csv.DictReader(io.StringIO(run("latency", "--csv", *wanted))))
    assert [row["stage"] for row in parsed] == ["decode", "encode"]
    assert list(parsed[0]) == list(rows[0])


@pytest.mark.parametrize("name", ["latency", "throughput", "quality", "pareto", "cost"])
def test_every_report_is_a_table(arguments: list[str], name: str) -> None:
    assert "mobile_sam" in run(name, *arguments)


def test_a_comparison_names_both_sides(arguments: list[str]) -> None:
    table = run("compare", "--by", "variant", "-a", "mobile_sam", "-b", "sam_vit_b", *arguments)
    assert table == "nothing was measured that this asks for\n"


def test_what_the_api_refuses_keeps_its_code(arguments: list[str]) -> None:
    with pytest.raises(ApiError) as refused:
        run("compare", "--by", "hardware", "-a", "x", "-b", "y", *arguments)
    assert refused.value.problem_code == "report_invalid"


def test_an_unknown_report_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ReportNotAvailable, match="there are latency"):
        run("latencies", "--api-url", "http://127.0.0.1:1", "--api-key", "k")


@pytest.mark.parametrize("name", ["latency", "pareto"])
def test_a_chart_is_a_picture(arguments: list[str], tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    run(name, "--png", str(tmp_path / "chart.png"), *arguments)
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
