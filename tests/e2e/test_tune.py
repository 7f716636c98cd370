"""`samfleet tune` on the real embedded Triton."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.images.encoded_images import bright_square
from fixtures.models.shared_data import weights_dir
from fixtures.servers.running_stack import COMMAND, FIXED, FIXED_MASKS, Samfleet
from samfleet.client.client import SamfleetClient
from samfleet_cli.connection import ApiChoice, Connection
from samfleet_cli.tuning import stack_bench
from samfleet_cli.tuning.images import find_images
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.search import BudgetOver
from samfleet_cli.tuning.stack_bench import StackBench
from samfleet_cli.tuning.state import TuneState

IMAGES = 6
POINT = Point("fp32", None, 8, 4)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(bright_square(32 + number, 32))
    return folder


@pytest.fixture
def client(samfleet: Samfleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[SamfleetClient]:
    """A client of the shared stack, which serves all points of a bench: starting stacks takes too long."""
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:

        @contextmanager
        def connected(*_given: Any) -> Iterator[Connection]:
            yield Connection(client)

        monkeypatch.setattr(stack_bench, "connect_or_start", connected)
        for name in ("require_no_stack", "prepare"):
            monkeypatch.setattr(stack_bench, name, lambda *_given: None)
        yield client


def bench(samfleet: Samfleet, pictures: Path, state: TuneState, seconds_left: float = 100.0) -> StackBench:
    folder = pictures.parent / "tune"
    images = find_images(folder, pictures, None, IMAGES).place(folder)
    choice, task = ApiChoice(None, None, samfleet.info.state_dir), {"kind": "everything"}
    return StackBench(choice, FIXED, task, images, state, folder, lambda: seconds_left)


def test_points_are_measured_by_ordinary_jobs(samfleet: Samfleet, client: SamfleetClient, pictures: Path) -> None:
    state = TuneState()
    first, second = list(bench(samfleet, pictures, state).rounds(POINT))
    assert (first.images, second.images) == (IMAGES, 2 * IMAGES)  # the warm-up was another job
    assert second.same_masks
    assert second.agreement == 1.0
    assert 0 < second.p50_ms <= second.p95_ms
    assert min(second.images_per_second, second.memory_bytes, second.largest_batch) > 0
    jobs = [client.job(job_id) for job_id in state.jobs[POINT.key]]
    assert [(job.counts.succeeded, job.runs[0].masks) for job in jobs] == [(IMAGES, IMAGES * FIXED_MASKS)] * 2
    assert jobs[0].name == f"tune {FIXED}: {POINT.words}, round 1"
    assert jobs[0].labels == {"tune/sweep": state.id, **POINT.labels()}
    rows = client.report("throughput", {"job": jobs[0].id})["rows"]
    assert [(row["n"], row["variant"]) for row in rows] == [(IMAGES, FIXED)]
    assert state.hardware == jobs[0].runs[0].hardware[0].device_name
    _require_it_goes_on(bench(samfleet, pictures, TuneState.model_validate_json(state.model_dump_json())), state)


def _require_it_goes_on(again: StackBench, before: TuneState) -> None:
    """Another command goes on with the state: it compares with the baseline's masks on the server."""
    with closing(again.rounds(Point("fp32", None, 8, 1))) as rounds:
        figures = next(rounds)
    assert again.reference is not None
    assert sum(map(len, again.reference.values())) == IMAGES * FIXED_MASKS
    assert (figures.same_masks, again.state.reference_run) == (True, before.reference_run)
    assert again.state.datasets == before.datasets


def test_the_job_of_a_point_beyond_the_budget_is_cancelled(
    samfleet: Samfleet, client: SamfleetClient, pictures: Path
) -> None:
    state = TuneState()
    with pytest.raises(BudgetOver):
        list(bench(samfleet, pictures, state, seconds_left=0.0).rounds(POINT))
    (job,) = client.jobs(label=f"tune/sweep:{state.id}")
    assert client.job(job.id).is_over


def test_no_second_stack_is_started_beside_a_running_one(samfleet: Samfleet, pictures: Path, tmp_path: Path) -> None:
    done = samfleet("tune", "mobile_sam", "--images", pictures, "--out", tmp_path / "tune")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "[tune_needs_own_stack]" in done.stderr
    assert "samfleet down" in done.stderr


def tuned(folder: Path, *arguments: object) -> Any:
    command = (*COMMAND, *map(str, arguments), "--json", "--out", str(folder / "tune"))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.heavy
@pytest.mark.timeout(1600)
def test_stacks_are_started_with_the_settings_of_each_point(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "still.yaml").write_text("fixed: {masks: 2, delay_ms: 5}\n")
    wanted = ("--variants-dir", tmp_path / "own", "tune", "still", "--images", pictures)
    values = ("--threads", 1, "--batch-size", 2, "--in-flight", 8, "--images-per-round", 12, "--rounds", 1)
    answer = tuned(tmp_path, *wanted, *values)
    baseline, limited = answer["points"]
    assert [row["status"] for row in (baseline, limited)] == ["measured", "measured"]
    assert (baseline["point"]["batch_size"], limited["point"]["batch_size"]) == (64, 2)
    assert limited["figures"]["largest_batch"] <= 2
    assert limited["figures"]["same_masks"]
    again = tuned(tmp_path, *wanted, *values)  # starts nothing, or the stack's jobs would be new ones
    assert [row["jobs"] for row in again["points"]] == [row["jobs"] for row in answer["points"]]


@pytest.mark.heavy
@pytest.mark.timeout(1600)
def test_mobile_sam_is_tuned_under_constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(weights_dir()))
    grid = ("--points-per-side", 4, "--images-per-round", 6, "--rounds", 1)
    values = ("--threads", 1, "--batch-size", 8, "--in-flight", 1, "--in-flight", 64, "--min-agreement", 0.95)
    answer = tuned(tmp_path, "tune", "mobile_sam", *grid, *values)
    done = [row for row in answer["points"] if row["figures"]]
    assert len(done) >= 2
    assert all(row["figures"]["agreement"] >= 0.95 for row in done)
    recommended = answer["recommended"]
    assert recommended["environment"]["SAMFLEET_EXECUTION"] == "fp32"
    best = max(row["figures"]["images_per_second"] for row in done if row["status"] == "measured")
    chosen = next(row for row in done if row["point"] == {k: v for k, v in recommended.items() if k != "environment"})
    assert chosen["figures"]["images_per_second"] >= 0.98 * best
