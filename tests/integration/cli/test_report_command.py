from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import Outcomes, carry_out, new_job, segmented
from samfleet.client.transport import ApiError
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_cli.listing import OutputChosenTwice
from samfleet_cli.main import app
from samfleet_cli.reporting.hardware import HardwareAmbiguous, HardwareUnknown


def on(facts: dict[str, Any], encode_ms: float) -> Outcomes:
    def outcome(image: ShardImage) -> ImageOutcome:
        made = segmented(image, encode_ms=encode_ms)
        assert made.report is not None
        return replace(made, report=replace(made.report, hardware=facts))

    return outcome


@pytest.fixture
def arguments(api: Api, tenant: Tenant, folder: Path) -> list[str]:
    """Connection options of a tenant with measurements."""
    carry_out(api, new_job(tenant, folder, images=3))
    return ["--api-url", api.url, "--api-key", tenant.key]


@pytest.fixture
def machines(api: Api, tenant: Tenant, folder: Path, arguments: list[str]) -> list[str]:
    """A GPU in two precisions, and a faster one whose name starts like the first one's."""
    for name, precision, encode_ms in (("GPU-4", "fp32", 8.0), ("GPU-4", "bf16", 4.0), ("GPU-40", "fp32", 2.0)):
        facts = {"device_kind": "cuda", "device_name": name, "precision": precision}
        carry_out(api, new_job(tenant, folder, images=12), on(facts, encode_ms))
    return arguments


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["report", *words])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def rows(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*words, "--json"))["rows"]
    return found


def test_a_table_names_jobs(api: Api, tenant: Tenant, folder: Path) -> None:
    names = ("tune mobile_sam: 2 in flight", "twice", "twice", None)
    jobs = [new_job(tenant, folder, images=3, **({"name": name} if name else {})) for name in names]
    for job in jobs:
        carry_out(api, job)
    shown = run("latency", "--group-by", "job", "--stage", "encode", "--api-url", api.url, "--api-key", tenant.key)
    assert jobs[0]["id"] not in shown
    assert "2 in flight" in " ".join(shown.split())
    assert all(f"({job['id'][:8]})" in shown for job in jobs[1:3])
    lines = shown.splitlines()
    named = [next(number for number, line in enumerate(lines) if word in line) for word in ("tune", "twice")]
    assert named == sorted(named)
    csv_ids = run("latency", "--group-by", "job", "--csv", "--api-url", api.url, "--api-key", tenant.key)
    assert all(job["id"] in csv_ids for job in jobs)


def test_json_and_csv_have_the_same_rows(arguments: list[str]) -> None:
    wanted = ["latency", "--stage", "encode", "--stage", "decode", "--since", "2020-01-01T00:00:00", *arguments]
    as_json = rows(*wanted)
    assert [row["stage"] for row in as_json] == ["decode", "encode"]
    parsed = list(csv.DictReader(io.StringIO(run(*wanted, "--csv"))))
    assert [row["stage"] for row in parsed] == ["decode", "encode"]
    assert list(parsed[0]) == list(as_json[0])
    with pytest.raises(OutputChosenTwice):
        run(*wanted, "--csv", "--json")


@pytest.mark.parametrize("name", ["latency", "throughput", "quality", "pareto", "cost"])
def test_every_report_is_a_table(arguments: list[str], name: str) -> None:
    assert "mobile_sam" in run(name, *arguments)


@pytest.mark.parametrize("name", ["latency", "throughput", "quality", "pareto", "cost"])
def test_every_filter_of_the_api_is_an_option(arguments: list[str], name: str) -> None:
    (first, *_) = rows(name, "--group-by", "dataset", "--group-by", "pool", "--group-by", "job", *arguments)
    one = ["--dataset", first["dataset"], "--pool", first["pool"], "--job", first["job"], "--site", first["site"]]
    assert rows(name, *one, "--precision", "fp32", "--variant", "mobile_sam", *arguments)
    for option, other in (("--dataset", "x"), ("--pool", "x"), ("--site", "x"), ("--precision", "bf16")):
        assert rows(name, option, other, *arguments) == []


def test_a_report_refuses_options_it_does_not_have(arguments: list[str]) -> None:
    assert rows("latency", "--batch-size", "2", *arguments)
    for words in (["throughput", "--batch-size", "2"], ["latency", "--by", "variant"], ["latencies"]):
        assert CliRunner().invoke(app, ["report", *words, *arguments]).exit_code == 2


def test_a_comparison_names_both_sides(arguments: list[str]) -> None:
    table = run("compare", "--by", "variant", "-a", "mobile_sam", "-b", "sam_vit_b", *arguments)
    assert table == "the filters leave no measurements of sam_vit_b\n"
    with pytest.raises(ApiError, match=r"did you mean sam_vit_b\?") as refused:
        run("compare", "--by", "variant", "-a", "mobile_sam", "-b", "sam-vitb", *arguments)
    assert refused.value.problem_code == "variant_unknown"
    with pytest.raises(ApiError, match="did you mean mobile_sam"):
        run("latency", "--variant", "mobilesam", *arguments)


def test_rows_of_one_variant_are_distinguished_in_words(
    api: Api, tenant: Tenant, folder: Path, arguments: list[str]
) -> None:
    task = {"kind": "everything", "points_per_side": 8}
    carry_out(api, new_job(tenant, folder, images=3, task=task))
    table = run("throughput", "--group-by", "variant", *arguments)
    assert "everything, 8 points per side" in table
    assert "everything, 32 points per side" in table
    digests = {row["parameters"] for row in rows("throughput", *arguments)}
    assert [digest for digest in digests if digest in table] == []


def test_hardware_is_selected_by_name_or_id_prefix(machines: list[str]) -> None:
    ids = {(row["hardware"], row["precision"]): row["hardware_id"] for row in _by_precision(machines)}
    fast, slow = ids["GPU-40", "fp32"], ids["GPU-4", "fp32"]
    sides = ["compare", "--by", "hardware", "--stage", "encode", *machines]
    (row,) = rows(*sides, "-a", "gpu-40", "-b", slow[:8])
    assert (row["a"], row["b"], row["ratio"]) == (fast, slow, pytest.approx(0.25, rel=0.03))
    assert {row["hardware_id"] for row in rows("cost", "--hardware", "gpu-40", *machines)} == {fast}
    with pytest.raises(HardwareAmbiguous, match=rf"2 machines.*{slow[:8]} GPU-4, fp32"):
        run(*sides, "-a", "GPU-4", "-b", "GPU-40")
    with pytest.raises(HardwareUnknown, match=r"no hardware matches 'TPU'; known hardware: .*GPU-40"):
        run(*sides, "-a", "TPU", "-b", "GPU-40")


def test_a_price_is_set_by_hardware_name(machines: list[str]) -> None:
    assert "costs 0.81 EUR" in run("price", "GPU-40", "0.81", "--currency", "EUR", *machines)
    (row,) = rows("cost", "--hardware", "GPU-40", *machines)
    assert (row["price_per_hour"], row["currency"]) == (0.81, "EUR")


@pytest.mark.parametrize("name", ["latency", "pareto"])
def test_a_chart_is_a_picture(arguments: list[str], tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    run(name, "--png", str(tmp_path / "chart.png"), *arguments)
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def _by_precision(machines: list[str]) -> list[dict[str, Any]]:
    return rows("latency", "--stage", "encode", "--group-by", "hardware", "--group-by", "precision", *machines)


def test_the_report_of_a_job_is_written_as_one_file(tenant: Tenant, arguments: list[str], tmp_path: Path) -> None:
    job = tenant.http.get("/v1/jobs").json()["items"][0]
    out = tmp_path / "report.html"
    assert run("html", job["id"][:8], "-o", str(out), "--images", "1", *arguments).startswith(f"{out}: ")
    page = out.read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<img ") == 1
