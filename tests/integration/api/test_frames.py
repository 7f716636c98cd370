"""Datasets of the frames of files, made over HTTP."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fixtures.api.running_api import Api, Tenant
from fixtures.images.animations import COLOURS, animated, colour_of, saved
from fixtures.images.videos import filmed, number_of
from fixtures.worker.job_rows import start_runs_of
from fixtures.worker.worker_services import make_services, work_on_all
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.reader import frame_readers
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.datasets.url_sources import NO_URLS
from samfleet.db.models import Dataset
from samfleet.db.session import transaction
from samfleet.jobs.listing import list_dataset
from samfleet_worker.triton.memory_segmenter import SIDE, MemorySegmenter


@pytest.fixture
def folder(api: Api) -> Path:
    """A folder of a TIFF with a page for each of `COLOURS`, and of a whole image."""
    folder = api.root / f"scans-{uuid.uuid4().hex}"
    folder.mkdir()
    pages = [Image.new("RGB", (SIDE, SIDE), colour) for colour in COLOURS]
    (folder / "scan.tif").write_bytes(saved(pages, "TIFF"))
    (folder / "whole.png").write_bytes(saved(pages[:1], "PNG"))
    return folder


def segmented(api: Api, dataset_id: str) -> tuple[uuid.UUID, list[bytes]]:
    """Return the id of a run over a dataset, and the images that Triton would get."""
    with transaction(api.engine) as session:
        dataset = session.get_one(Dataset, uuid.UUID(dataset_id))
    run = start_runs_of(api.engine, api.queue, dataset)[0]
    segmenter = MemorySegmenter()
    readers = frame_readers(api.store, S3Sources({}), NO_URLS, FrameLimits())
    work_on_all(replace(make_services(api.engine, segmenter), frames=readers), run)
    return run.id, [request.image for request in segmenter.requests]


def test_pages_are_segmented_as_images(api: Api, tenant: Tenant, folder: Path) -> None:
    body = {"source": "directory", "directory": str(folder), "frames": {"every": 2}}
    created = tenant.http.post("/v1/datasets", json=body)
    assert (created.status_code, created.json()["state"]) == (202, "listing")
    list_dataset(api.engine, uuid.UUID(created.json()["id"]), (api.root,), InputLimits())
    place = created.headers["Location"]
    names = ["scan.tif/000000.png", "scan.tif/000002.png", "whole.png"]
    images = tenant.http.get(f"{place}/images").json()["items"]
    assert [one["file_name"] for one in images] == names
    assert [one.get("metadata") for one in images] == [{"frame": 0}, {"frame": 2}, None]

    run_id, sent = segmented(api, created.json()["id"])
    assert sorted(colour_of(image, (0, 0)) for image in sent) == sorted([COLOURS[0], COLOURS[0], COLOURS[2]])
    drawn = tenant.http.get(f"/v1/runs/{run_id}/images/2/overlay.png", params={"with_masks": False})
    assert drawn.status_code == 200
    assert colour_of(drawn.content, (0, 0)) == COLOURS[2]


def test_frames_of_a_video_are_chosen_by_their_times(api: Api, tenant: Tenant, folder: Path) -> None:
    pytest.importorskip("av")
    (folder / "clip.mp4").write_bytes(filmed())
    frames = {"every_seconds": 0.4, "start": 0.2, "most": 2}
    body = {"source": "directory", "directory": str(folder), "frames": frames}
    created = tenant.http.post("/v1/datasets", json=body)
    assert (created.json()["frame"], created.json()["frames"]) == (None, frames)
    list_dataset(api.engine, uuid.UUID(created.json()["id"]), (api.root,), InputLimits())
    images = tenant.http.get(f"{created.headers['Location']}/images").json()["items"]
    assert [(one["file_name"], one.get("metadata")) for one in images] == [
        ("clip.mp4/000005.png", {"frame": 5, "time_seconds": 0.2}),
        ("clip.mp4/000015.png", {"frame": 15, "time_seconds": 0.6}),
        ("scan.tif", None),
        ("whole.png", None),
    ]
    _, sent = segmented(api, created.json()["id"])
    assert {number_of(image) for image in sent} >= {5, 15}


def test_frames_of_uploaded_files_are_chosen_when_the_dataset_is_made(tenant: Tenant) -> None:
    created = tenant.http.post("/v1/datasets", json={"source": "upload", "frame": 3})
    assert (created.json()["frame"], created.json()["frames"]) == (3, None)
    place = created.headers["Location"]
    tenant.http.post(f"{place}/images", files={"files": ("clip.gif", animated("GIF"), "image/gif")}).raise_for_status()
    assert tenant.http.post(f"{place}/seal").json()["image_count"] == 1
    [image] = tenant.http.get(f"{place}/images").json()["items"]
    assert (image["file_name"], image["metadata"]) == ("clip.gif/000003.png", {"frame": 3})


@pytest.mark.parametrize(
    "fields",
    [
        {"frame": 0, "frames": "all"},
        {"frames": {"every": 2, "count": 3}},
        {"frames": {"most": 5}},
        {"frames": "some"},
        {"frames": {"every": 0}},
        {"frames": {"every": 2, "every_seconds": 1.0}},
        {"frames": {"every_seconds": 0.0}},
        {"frames": {"every_seconds": "2"}},
        {"frames": {"start": 1.0}},
        {"frames": {"every": 1, "start": 3.0, "end": 3.0}},
        {"frame": -1},
        {"frame": True},
        {"frame": "1"},
    ],
)
def test_other_choices_are_refused(tenant: Tenant, folder: Path, fields: dict[str, object]) -> None:
    answer = tenant.http.post("/v1/datasets", json={"source": "directory", "directory": str(folder), **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")
    assert tenant.http.get("/v1/datasets").json()["items"] == []
