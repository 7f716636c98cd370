"""The client and the real API agree on every route that the command line uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.images.scenes import write_annotations, write_scenes
from samfleet.client import steps
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.transport import ApiError
from samfleet_cli import main

EVERYTHING = {"kind": "everything", "points_per_side": 4}


@pytest.fixture
def client(api: Api, tenant: Tenant) -> Iterator[SamfleetClient]:
    with SamfleetClient(api.url, tenant.key) as client:
        yield client


def test_a_folder_under_an_allowed_root_is_read_in_place(client: SamfleetClient, folder: Path) -> None:
    scenes = write_scenes(folder, 3)
    annotations = write_annotations(folder / "instances.json", scenes)
    dataset = create_dataset(client, Source(folder, annotations, limit=2))
    assert (dataset.source, dataset.image_count, dataset.annotation_count) == ("directory", 2, 4)
    images = list(client.dataset_images(dataset.id))
    assert [(image.image_id, image.file_name) for image in images] == [(100, "scene_00.png"), (101, "scene_01.png")]


def test_a_folder_outside_the_roots_is_uploaded(client: SamfleetClient, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images" / "be low", 3)
    annotations = write_annotations(tmp_path / "instances.json", scenes)
    (tmp_path / "images" / "zero.png").touch()
    shown: list[tuple[int, int | None]] = []
    dataset = create_dataset(
        client,
        Source(tmp_path / "images", annotations),
        on_progress=lambda progress: shown.append((progress.files, progress.total_files)),
    )
    assert (dataset.source, dataset.state, dataset.image_count) == ("upload", "sealed", 4)
    assert (dataset.name, dataset.annotation_count) == ("images", 6)
    images = {image.file_name: image for image in client.dataset_images(dataset.id)}
    assert list(images) == ["be low/scene_00.png", "be low/scene_01.png", "be low/scene_02.png", "zero.png"]
    assert images["be low/scene_02.png"].size_bytes == scenes[2].stat().st_size
    assert shown == [(0, 4), (4, 4)]


@pytest.mark.parametrize("upload", [False, True])
def test_detections_are_sent_with_the_folder(client: SamfleetClient, folder: Path, upload: bool) -> None:
    write_scenes(folder, 2)
    detections = folder / "detections.json"
    detections.write_text('[{"image_id": 2, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5}]')
    dataset = create_dataset(client, Source(folder, detections=detections), upload=upload)
    assert (dataset.state, dataset.image_count, dataset.detection_count) == ("sealed", 2, 1)


def test_names_in_all_scripts_and_symbols_arrive_unchanged(client: SamfleetClient, tmp_path: Path) -> None:
    names = ["it's.png", "büro/日本.png", "per%20cent.png", "semi;colon.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    dataset = create_dataset(client, Source(tmp_path), upload=True)
    assert sorted(image.file_name for image in client.dataset_images(dataset.id)) == sorted(names)


def test_pages_are_joined(client: SamfleetClient, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PAGE", 2)
    write_scenes(folder, 5)
    dataset = create_dataset(client, Source(folder))
    assert [image.position for image in client.dataset_images(dataset.id)] == [0, 1, 2, 3, 4]


def test_a_job_is_submitted_followed_and_cancelled(client: SamfleetClient, folder: Path) -> None:
    write_scenes(folder, 2)
    dataset = create_dataset(client, Source(folder))
    job = client.submit_job(dataset.id, ["mobile_sam"], EVERYTHING, pools=["default", "other"], name="both")
    assert (job.state, job.name, job.counts.total) == ("queued", "both", 4)
    assert {run.pool for run in job.runs} == {"default", "other"}
    assert client.job(job.id) == job
    assert [found.id for found in client.jobs(state="queued")] == [job.id]
    assert client.run(job.runs[0].id).task["points_per_side"] == 4
    assert list(client.job_errors(job.id)) == []
    assert client.cancel_job(job.id).state == "cancelled"
    assert list(client.jobs(state="queued")) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"variants": ["no_such_sam"]}, "variant_unknown"),
        ({"pools": ["nowhere"]}, "pool_unknown"),
        ({"task": {"kind": "everything", "points_per_side": 0}}, "task_invalid"),
        ({"task": {"kind": "prompts", "prompt": "box", "from": "annotations"}}, "annotations_missing"),
    ],
)
def test_refusals_keep_their_error_codes(
    client: SamfleetClient, folder: Path, change: dict[str, Any], code: str
) -> None:
    write_scenes(folder, 1)
    dataset = create_dataset(client, Source(folder))
    asked: dict[str, Any] = {"variants": ["mobile_sam"], "task": EVERYTHING, **change}
    with pytest.raises(ApiError) as refused:
        client.submit_job(dataset.id, **asked)
    assert (refused.value.problem_code, refused.value.status) == (code, 422)


def test_the_commands_for_jobs_work(api: Api, tenant: Tenant, client: SamfleetClient, folder: Path) -> None:
    write_scenes(folder, 2)
    job = client.submit_job(create_dataset(client, Source(folder)).id, ["mobile_sam"], EVERYTHING)
    environment = {"SAMFLEET_API_URL": api.url, "SAMFLEET_API_KEY": tenant.key, "COLUMNS": "160"}

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main.app, ["jobs", *arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    assert json.loads(run("show", job.id, "--json"))["id"] == job.id
    assert f"job {job.id}: queued, 0/2 images" in run("show", job.id)
    assert job.id in run("list")
    assert [found["id"] for found in json.loads(run("list", "--json"))] == [job.id]
    assert json.loads(run("errors", job.id, "--json")) == []
    assert run("errors", job.id) == "no image failed\n"
    assert f"job {job.id}: cancelled" in run("cancel", job.id)
