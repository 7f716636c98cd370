"""SegEvery over annotated photographs, from the worker's task to the output of `samfleet`: the recorded recall.

Only Triton is replaced: a segmenter returns the masks that the official generator made of these photographs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.models.shared_data import shared_path
from fixtures.worker.worker_services import make_services
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.schemas import Job
from samfleet.db.models import Shard
from samfleet.db.session import transaction
from samfleet.jobs.finish import finish_run
from samfleet.jobs.plan import plan_job
from samfleet.masks.record import MaskRecord
from samfleet.quality.protocol import AREAS
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest, StageTime
from samfleet_cli import main
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

SETTING = "pps16"
TASK = {"kind": "everything", "points_per_side": 16}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(shared_path("ref", "dev", "amg_ar.json").read_bytes())["results"][SETTING]["set"]
    return entry


@pytest.fixture
def photographs(folder: Path, recorded: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Put the photographs and their annotations into `folder`; return the recorded result of each by the digest of its
    bytes.
    """
    data = shared_path("data", "coco_dev")
    document = json.loads((data / "instances.json").read_bytes())
    of_these = [one for one in document["annotations"] if one["image_id"] in recorded["image_ids"]]
    (folder / "instances.json").write_text(json.dumps({**document, "annotations": of_these}))
    answers = {}
    for image_id in recorded["image_ids"]:
        copied = Path(shutil.copy(data / "images" / f"{image_id:012}.jpg", folder))
        answer = json.loads(shared_path("ref", "dev", "amg", f"{image_id:012}_{SETTING}.json").read_bytes())
        answers[hashlib.sha256(copied.read_bytes()).hexdigest()] = answer
    return answers


def replay(answers: Mapping[str, dict[str, Any]]) -> MemorySegmenter:
    def respond(_variant: str, request: SegmentRequest) -> SegmentReply:
        answer = answers[hashlib.sha256(request.image).hexdigest()]
        report = ImageReport(
            width=answer["header"]["width"],
            height=answer["header"]["height"],
            stages={name: StageTime(1.0, 1.0) for name in ("encode", "decode")},
            execute_ms=2.0,
            hardware={"device_kind": "cpu", "device_name": "A CPU"},
        )
        return SegmentReply(tuple(MaskRecord.from_dict(mask) for mask in answer["masks"]), report)

    return MemorySegmenter(respond)


def carry_out(api: Api, job: Job, segmenter: MemorySegmenter) -> None:
    services = replace(make_services(api.engine, segmenter), store=api.store, queue=api.queue)
    plan_job(api.engine, api.queue, uuid.UUID(job.id), shard_size=4, shards_in_flight=100)
    for run in job.runs:
        run_id = uuid.UUID(run.id)
        with transaction(api.engine) as session:
            shards = session.scalars(select(Shard.id).where(Shard.run_id == run_id).order_by(Shard.index)).all()
        for shard_id in shards:
            segment_shard(services, shard_id)
        finish_run(api.engine, api.store, run_id)


def recall_of(figures: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the recall by the names of the recorded figures."""
    names = {area: "" if area == "all" else f"_{area}" for area in AREAS}
    return {
        f"AR@{figure['max_detections']}{names[figure['area']]}": figure["value"]
        for figure in figures
        if figure["metric"] == "ar"
    }


def test_a_segevery_run_has_the_recorded_recall(
    api: Api,
    tenant: Tenant,
    folder: Path,
    tmp_path: Path,
    recorded: Mapping[str, Any],
    photographs: dict[str, dict[str, Any]],
) -> None:
    with SamfleetClient(api.url, tenant.key) as client:
        dataset = create_dataset(client, Source(folder, folder / "instances.json"))
        job = client.submit_job(dataset.id, ["mobile_sam"], TASK)
    carry_out(api, job, replay(photographs))
    wanted = {name: value for name, value in recorded.items() if name.startswith("AR@")}
    assert {"AR@1", "AR@10", "AR@100", "AR@1000", "AR@100_medium"} <= set(wanted)

    (run,) = tenant.http.get(f"/v1/jobs/{job.id}").json()["runs"]
    assert (run["state"], run["masks"], run["quality_error"]) == ("completed", recorded["n_masks"], None)
    assert recall_of(run["evaluation"]) == pytest.approx(wanted, abs=1e-12)
    (whole,) = {figure["instances"] for figure in run["evaluation"] if figure["area"] == "all"}
    assert whole == recorded["n_gt_non_crowd"]

    environment = {"SAMFLEET_API_URL": api.url, "SAMFLEET_API_KEY": tenant.key, "COLUMNS": "160"}

    def samfleet(*arguments: str) -> str:
        result = CliRunner().invoke(main.app, ["jobs", *arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    followed = samfleet("follow", job.id, "--out", str(tmp_path / "out"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert recall_of(summary["runs"][0]["evaluation"]) == pytest.approx(wanted, abs=1e-12)
    for printed in (followed, samfleet("show", job.id)):
        (line,) = [line for line in printed.splitlines() if line.startswith("│ AR ") and line.endswith(" 100 │")]
        cells = [cell.strip() for cell in line.split("│")]
        assert [cells[2], *cells[4:7]] == [
            f"{wanted[f'AR@100{name}']:.4f}" for name in ("", "_small", "_medium", "_large")
        ]
