from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from samfleet import metrics

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "operations.md"
LABELS = {
    "action",
    "code",
    "dependency",
    "method",
    "outcome",
    "pool",
    "queue",
    "reason",
    "route",
    "stage",
    "state",
    "status",
    "task",
    "variant",
}


def declared() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Declared metrics by the name that Prometheus stores: type, labels, documentation."""
    found = {}
    for value in vars(metrics).values():
        if isinstance(value, MetricWrapperBase):
            described = next(iter(value.describe()))
            name = f"{described.name}_total" if described.type == "counter" else described.name
            found[name] = (described.type, tuple(value._labelnames), described.documentation)
        elif isinstance(value, metrics.StateGauge):
            found[value.name] = ("gauge", value.labels, value.documentation)
    return found


def test_names_have_the_service_prefix_and_labels_are_few_and_known() -> None:
    assert len(declared()) >= 20
    for name, (kind, labels, documentation) in declared().items():
        assert re.fullmatch(r"samfleet_[a-z_]+", name)
        assert not name.endswith(("_ms", "_milliseconds")), "Prometheus counts in seconds"
        assert set(labels) <= LABELS, f"{name}: is the new label bounded? never an id, a path or a message"
        assert len(labels) <= 3
        assert documentation.endswith(".")
        assert kind in {"counter", "gauge", "histogram", "summary"}


def test_every_declared_metric_is_documented_correctly() -> None:
    wanted = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels) or 'none'} | {documentation} |"
        for name, (kind, labels, documentation) in declared().items()
    ]
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `samfleet_")]
    assert rows == wanted, "docs/operations.md should have these rows:\n" + "\n".join(wanted)


def test_a_process_exposes_its_totals_and_process_metrics() -> None:
    metrics.SWEPT.labels("leases_expired").inc(0)
    shown = generate_latest(metrics.exposition()).decode()
    assert 'samfleet_sweeper_actions_total{action="leases_expired"}' in shown
    assert "process_resident_memory_bytes" in shown


def test_a_state_has_one_value_for_each_tuple_of_labels() -> None:
    family = metrics.RUNS.family({("default", "running"): 2, ("default", "failed"): 0})
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"pool": "default", "state": "running"}, 2),
        ({"pool": "default", "state": "failed"}, 0),
    ]
    assert [sample.value for sample in metrics.LEASES_OVERDUE.family({(): 3}).samples] == [3]


COUNT_IN_TWO_PROCESSES = """
import os, sys
from prometheus_client import generate_latest
from samfleet import metrics
child = os.fork()
metrics.SWEPT.labels("parts_deleted").inc(2)
metrics.TASKS.labels("jobs.sweep", "done").observe(0.2)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
sys.stdout.write(generate_latest(metrics.exposition()).decode())
"""


def test_processes_of_one_service_add_up(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "services")}
    answer = subprocess.run(
        (sys.executable, "-c", COUNT_IN_TWO_PROCESSES),
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    assert 'samfleet_sweeper_actions_total{action="parts_deleted"} 4.0' in answer.stdout
    assert 'samfleet_task_duration_seconds_count{outcome="done",task="jobs.sweep"} 2.0' in answer.stdout


@pytest.mark.parametrize("name", ["samfleet_http_requests_total", "samfleet_jobs"])
def test_documented_names_are_those_that_prometheus_stores(name: str) -> None:
    assert name in declared()
