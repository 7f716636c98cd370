"""`samfleet report check` against the API: a job, its baseline, and a slower job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import Outcomes, carry_out, new_job, segmented
from samfleet.jobs.outcomes import ImageOutcome, Quality, ShardImage
from samfleet_cli.commands.report_check import BaselineChosenTwice, CheckWithoutRule, NoEndedJob, NothingMeasured
from samfleet_cli.main import app

IMAGES = 12
Command = Callable[..., tuple[int, str]]


def taking(encode_ms: float, miou: float = 0.7) -> Outcomes:
    random = np.random.default_rng(3)

    def outcome(image: ShardImage) -> ImageOutcome:
        made = segmented(image, encode_ms=encode_ms * float(random.lognormal(0, 0.02)))
        assert made.report is not None
        return replace(made, report=replace(made.report, batch_size=1), quality=Quality(2, 2 * miou))

    return outcome


@pytest.fixture
def check(api: Api, tenant: Tenant) -> Command:
    """Run the command and return its exit code and stdout."""

    def run(*words: str | Path) -> tuple[int, str]:
        connection = ("--api-url", api.url, "--api-key", tenant.key)
        result = CliRunner().invoke(app, ["report", "check", *map(str, words), *connection])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return run


@pytest.fixture
def baseline(api: Api, tenant: Tenant, folder: Path, tmp_path: Path, check: Command) -> Path:
    """The baseline of an ended job, taken as the newest one."""
    job = new_job(tenant, folder, images=IMAGES)
    carry_out(api, job, taking(100.0))
    path = tmp_path / "baseline.json"
    assert check("--write-baseline", path) == (0, f"{path}: 1 measurements of job {job['id']}\n")
    return path


def job_taking(api: Api, tenant: Tenant, folder: Path, encode_ms: float, **more: Any) -> str:
    job = new_job(tenant, folder, images=IMAGES)
    carry_out(api, job, taking(encode_ms, **more))
    return str(job["id"])


def test_a_job_passes_against_itself(check: Command, baseline: Path) -> None:
    code, shown = check("--baseline", baseline, "--max-slowdown", "5", "--min-miou", "0.7", "--max-miou-drop", "0.01")
    assert (code, shown.splitlines()[-1].endswith("3 passed")) == (0, True)


def test_a_slower_job_fails_in_every_form(
    api: Api, tenant: Tenant, folder: Path, tmp_path: Path, check: Command, baseline: Path
) -> None:
    slow = job_taking(api, tenant, folder, 150.0)
    junit = tmp_path / "junit.xml"
    code, shown = check("--baseline", baseline, "--max-slowdown", "5", "--junit", junit, "--github")
    assert code == 6
    assert f"job {slow}: 1 failed" in shown
    assert "::error title=max-slowdown%3A mobile_sam on A CPU fp32%2C " in shown
    assert len(ET.parse(junit).getroot().findall("testcase/failure")) == 1
    code, shown = check("--baseline", baseline, "--job", slow[:8], "--json")
    (found,) = json.loads(shown)["checks"]
    assert (code, found["outcome"]) == (6, "failed")
    assert 1.3 < found["ratio_low"] < found["ratio"] < 1.5
    assert check("--baseline", baseline, "--max-slowdown", "60")[0] == 0


def test_two_jobs_are_compared_without_a_file(
    api: Api, tenant: Tenant, folder: Path, check: Command, baseline: Path
) -> None:
    before = json.loads(baseline.read_text())["job"]
    slow = job_taking(api, tenant, folder, 150.0)
    assert check("--baseline-job", before)[0] == 6
    assert check("--baseline-job", before, "--job", before)[0] == 0
    assert check("--baseline-job", slow, "--job", before)[0] == 0
    with pytest.raises(BaselineChosenTwice):
        check("--baseline-job", before, "--baseline", baseline)


def test_an_empty_baseline_is_not_written(check: Command, tmp_path: Path) -> None:
    with pytest.raises(NothingMeasured):
        check("--write-baseline", tmp_path / "b.json", "--since", "2020-01-01", "--until", "2020-01-02")
    assert not (tmp_path / "b.json").exists()


def test_a_loss_of_quality_fails(api: Api, tenant: Tenant, folder: Path, check: Command, baseline: Path) -> None:
    job_taking(api, tenant, folder, 100.0, miou=0.6)
    assert check("--min-miou", "0.65")[0] == 6
    assert check("--baseline", baseline, "--max-miou-drop", "0.05")[0] == 6
    assert check("--baseline", baseline)[0] == 0


def test_other_work_is_not_comparable(api: Api, tenant: Tenant, folder: Path, check: Command, baseline: Path) -> None:
    job = new_job(tenant, folder, images=IMAGES, task={"kind": "everything", "points_per_side": 8})
    carry_out(api, job, taking(500.0))
    code, shown = check("--baseline", baseline)
    assert code == 7
    assert "nothing comparable" in shown
    assert check("--baseline", baseline, "--require-all")[0] == 6


def test_a_check_needs_a_rule_and_an_ended_job(check: Command) -> None:
    with pytest.raises(CheckWithoutRule):
        check()
    with pytest.raises(NoEndedJob):
        check("--min-miou", "0.5")
