"""`SurveyRun` against the API: jobs one at a time on each pool, and continuation after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, carry_out, segmented, write_pictures
from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import Job
from samfleet.client.wait import Clock
from samfleet.db.models import Job as JobRow
from samfleet.db.session import read_only
from samfleet_cli.survey.cells import Cell, HostedVariant, cells_of
from samfleet_cli.survey.plan import Plan, parse_plan
from samfleet_cli.survey.report import write_report
from samfleet_cli.survey.run import SurveyRun
from samfleet_cli.survey.state import CellState, SurveyState

IMAGES = 4
HOSTED = [HostedVariant("mobile_sam", weights_here=True, sampler="grid")]
PLAN = """
title: Shelves
datasets:
  shelves: {images: photos, annotations: instances.json, sample_of: COCO}
measurements:
  - {tasks: [grid_16, one_box], datasets: shelves, variants: [mobile_sam, no_sam], pools: [default, other]}
"""


@dataclass
class Noted:
    """Progress that a test can read."""

    said: list[str] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    running: list[list[str]] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.said.append(message)

    def show(self, _cells: Any, _state: Any, jobs: Any) -> None:
        self.running.append([cell.pool for cell, _job in jobs])

    def over(self, cell: Cell, state: CellState) -> None:
        self.ended.append((cell.key, state.status))


@dataclass
class Fleet:
    """A survey over the API, with workers that carry out the open jobs whenever the survey sleeps."""

    api: Api
    tenant: Tenant
    client: SamfleetClient
    plan: Plan
    out: Path
    progress: Noted = field(default_factory=Noted)
    work: bool = True

    def run(self, on_sleep: Callable[[], None] = lambda: None) -> SurveyState:
        state = SurveyState.load(self.out)
        state.title = self.plan.title

        def sleep(_seconds: float) -> None:
            on_sleep()
            if self.work:
                self.carry_out()

        survey = SurveyRun(self.client, self.plan, state, self.out, self.progress, Clock(lambda: 0.0, sleep))
        survey.run(cells_of(self.plan, HOSTED))
        return state

    def jobs(self) -> list[Job]:
        return list(self.client.jobs())

    def carry_out(self) -> None:
        for job in self.client.jobs():
            if not job.is_over:
                carry_out(self.api, self.tenant.http.get(f"/v1/jobs/{job.id}").json(), segmented)

    def submitted(self) -> int:
        with read_only(self.api.engine) as session:
            query = select(JobRow.idempotency_key).where(JobRow.tenant_id == self.tenant.id)
            keys = list(session.scalars(query))
        assert len(keys) == len(set(keys))
        return len(keys)


@pytest.fixture
def fleet(api: Api, tenant: Tenant, folder: Path, tmp_path: Path) -> Iterator[Fleet]:
    photos = folder / "photos"
    photos.mkdir()
    write_pictures(photos, IMAGES)
    box = {"category_id": 1, "bbox": [4, 5, 8, 10], "area": 80, "iscrowd": 0, "segmentation": [[4, 5, 12, 5, 12, 15]]}
    images = [{"id": one, "file_name": f"{one}.png", "width": WIDTH, "height": HEIGHT} for one in range(IMAGES)]
    content = {
        "images": images,
        "annotations": [{"id": one + 1, "image_id": one, **box} for one in range(IMAGES)],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    with SamfleetClient(api.url, tenant.key) as client:
        yield Fleet(api, tenant, client, parse_plan(PLAN, folder), tmp_path / "out")


def test_a_plan_is_measured_with_one_job_at_a_time_on_each_pool(fleet: Fleet) -> None:
    state = fleet.run()
    assert {entry.status for entry in state.cells.values()} == {"completed", "skipped"}
    refused = {key.split(" / ")[2] for key, entry in state.cells.items() if entry.status == "skipped"}
    assert refused == {"no_sam"}
    assert all("no_sam" in (entry.reason or "") for entry in state.cells.values() if entry.status == "skipped")
    assert len(fleet.jobs()) == 4
    assert fleet.progress.running[:-1]
    assert all(running == ["default", "other"] for running in fleet.progress.running[:-1])
    assert {state.datasets[name].sample_of for name in ("shelves", "shelves, one box")} == {"COCO", None}
    assert len(fleet.progress.ended) == len(state.cells) == 8


def test_a_survey_that_was_killed_goes_on_without_a_second_job(fleet: Fleet) -> None:
    fleet.work = False

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fleet.run(on_sleep=die)
    assert len(fleet.jobs()) == 2
    before = SurveyState.load(fleet.out)
    assert sorted(entry.status for entry in before.cells.values() if entry.job_id) == ["running"] * 2
    fleet.work = True
    after = fleet.run()
    assert fleet.submitted() == len(fleet.jobs()) == 4
    assert all(after.cells[key].job_id == entry.job_id for key, entry in before.cells.items() if entry.job_id)
    jobs = {key: entry.job_id for key, entry in after.cells.items()}
    assert {key: entry.job_id for key, entry in fleet.run().cells.items()} == jobs


def test_a_job_submitted_before_the_state_was_written_is_found_again(fleet: Fleet) -> None:
    fleet.run()
    state = SurveyState.load(fleet.out)
    for entry in state.cells.values():
        entry.job_id, entry.status = None, "waiting"
    state.save(fleet.out)
    fleet.run()
    assert len(fleet.jobs()) == 4


def test_a_deleted_job_is_measured_again(fleet: Fleet) -> None:
    state = fleet.run()
    key, entry = next((key, entry) for key, entry in state.cells.items() if entry.job_id)
    assert entry.job_id is not None
    fleet.client.delete_job(entry.job_id)
    saved = SurveyState.load(fleet.out)
    saved.cells[key].status = "running"
    saved.save(fleet.out)
    again = fleet.run()
    assert (again.cells[key].status, again.cells[key].attempt) == ("completed", 2)
    assert again.cells[key].job_id != entry.job_id


def test_another_execution_than_planned_is_a_failure(fleet: Fleet) -> None:
    block = fleet.plan.measurements[0].model_copy(update={"executions": ("bf16",), "variants": ("mobile_sam",)})
    fleet.plan = fleet.plan.model_copy(update={"measurements": (block,)})
    state = fleet.run()
    assert {entry.status for entry in state.cells.values()} == {"failed"}
    assert all("serves fp32, the plan asks bf16" in (entry.reason or "") for entry in state.cells.values())


def test_the_report_has_the_measurements_of_the_survey(fleet: Fleet) -> None:
    state = fleet.run()
    files = {path.name: path for path in write_report(fleet.client, state, fleet.out)}
    rows = {table["key"]: table["rows"] for table in json.loads(files["report.json"].read_text())["tables"]}
    assert [(row["variant"], row["method"], row["n"]) for row in rows["everything"]] == [
        ("mobile_sam", "16 x 16 points", 2 * IMAGES)
    ]
    page, text = files["survey.html"].read_text(), files["survey.md"].read_text()
    assert "Table 5: SegEvery" in page
    assert "A CPU" in text
    assert "skipped" in text
    assert files["everything.csv"].read_text().startswith("variant,hardware,hardware_id,precision,dataset,")
