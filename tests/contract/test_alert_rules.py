"""The alert rules, by Prometheus's own `promtool`: they are valid, fire for their faults, and are silent otherwise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = Path(__file__).with_name("alerts") / "alerts_test.yml"


def _promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run((program, *words), capture_output=True, text=True, check=False, timeout=300)


def test_the_rules_and_the_configuration_are_valid() -> None:
    config = str(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    for words in (("check", "rules", str(RULES)), ("check", "config", "--syntax-only", config)):
        done = _promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_for_their_faults_only() -> None:
    done = _promtool("test", "rules", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_no_longer_fires_is_detected(tmp_path: Path) -> None:
    (tmp_path / "deploy" / "prometheus").mkdir(parents=True)
    folder = tmp_path / "tests" / "contract" / "alerts"
    folder.mkdir(parents=True)
    rules = RULES.read_text(encoding="utf-8").replace("> 0.97", "> 0.99")
    (tmp_path / "deploy" / "prometheus" / "alerts.yml").write_text(rules, encoding="utf-8")
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    cases["tests"] = [test for test in cases["tests"] if "SamfleetGpuMemoryFull" in yaml.safe_dump(test)]
    (folder / CASES.name).write_text(yaml.safe_dump(cases), encoding="utf-8")
    done = _promtool("test", "rules", str(folder / CASES.name))
    assert done.returncode != 0
    assert "SamfleetGpuMemoryFull" in done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tests = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    samples = [sample for test in tests for case in test["promql_expr_test"] for sample in case["exp_samples"]]
    assert not [alert for alert in alerts if not any(f'alertname="{alert}"' in one["labels"] for one in samples)]
