"""Uploads on the page for a new job: what is sent, refused, interrupted and cancelled, archives and frames."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from fixtures.api.running_api import MAX_IMAGE_BYTES, Api, Tenant
from fixtures.images.animations import animated
from fixtures.images.videos import filmed
from fixtures.servers.chromium import looked_at
from fixtures.servers.new_job_page import choose, photographs, upload
from samfleet.datasets.service import InputLimits
from samfleet.jobs.listing import list_dataset

pytestmark = pytest.mark.browser


def test_a_folder_gives_the_dataset_its_name(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    shelf = tmp_path / "second floor"
    photographs(shelf, 2)
    photographs(shelf / "left", 1)
    looked_at(page, "/dashboard/new")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(shelf)
    expect(page.get_by_text("Chosen: 3 images")).to_be_visible()
    upload(page)
    expect(page.get_by_text("Uploaded: 3 images.")).to_be_visible()
    (dataset,) = tenant.http.get("/v1/datasets").json()["items"]
    assert dataset["name"] == "second floor"
    images = tenant.http.get(f"/v1/datasets/{dataset['id']}/images").json()["items"]
    assert [image["file_name"] for image in images] == ["0.png", "1.png", "left/0.png"]


def test_refused_files_are_listed_and_the_others_uploaded(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    good, *_ = photographs(tmp_path / "shelf", 1)
    text, large = tmp_path / "notes.txt", tmp_path / "large.png"
    text.write_text("not an image")
    large.write_bytes(bytes(MAX_IMAGE_BYTES + 1))
    looked_at(page, "/dashboard/new")
    choose(page, good, text, large)
    expect(page.get_by_role("row", name="notes.txt")).to_contain_text("not an image, by its suffix")
    expect(page.get_by_role("row", name="large.png")).to_contain_text("image_too_large")
    upload(page)
    expect(page.get_by_text("Uploaded: 1 image.")).to_be_visible()


def test_a_refused_file_does_not_keep_its_batch_out(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    """The server refuses a request as a whole; the page finds the file by halving it."""
    paths = photographs(tmp_path / "shelf", 4)

    def refuse(route: Route) -> None:
        problem = {"code": "image_too_large", "detail": "2.png is too large", "status": 413, "title": "", "type": ""}
        if b'filename="2.png"' in (route.request.post_data_buffer or b""):
            route.fulfill(status=413, content_type="application/problem+json", body=json.dumps(problem))
        else:
            route.continue_()

    page.route("**/v1/datasets/*/images", refuse)
    looked_at(page, "/dashboard/new")
    choose(page, *paths)
    upload(page)
    expect(page.get_by_text("Uploaded: 3 images.")).to_be_visible()
    expect(page.get_by_role("row", name="2.png")).to_contain_text("image_too_large")


def test_an_interrupted_upload_goes_on(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    paths = photographs(tmp_path / "shelf", 3)
    looked_at(page, "/dashboard/new")
    page.route("**/v1/datasets/*/seal", lambda route: route.abort())
    choose(page, *paths)
    upload(page)
    expect(page.get_by_text("the upload continues where it stopped")).to_be_visible()
    page.unroute("**/v1/datasets/*/seal")
    looked_at(page, page.url)  # a reload, which forgets the files
    expect(page.get_by_text("interrupted after 3 images")).to_be_visible()
    choose(page, *paths)
    upload(page)
    expect(page.get_by_text("Uploaded: 3 images.")).to_be_visible()
    assert len(tenant.http.get("/v1/datasets").json()["items"]) == 1


def test_a_cancelled_upload_is_deleted(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    def hold(_route: Route) -> None:
        """Never reply, as a slow connection."""

    page.route("**/v1/datasets/*/images", hold)
    looked_at(page, "/dashboard/new")
    choose(page, *photographs(tmp_path / "shelf", 3))
    upload(page)
    expect(page.get_by_text("0 of 3 files")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("What was uploaded is deleted.")).to_be_visible()
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_enabled()
    page.wait_for_url(lambda url: "upload=" not in url)
    with page.expect_response("**/v1/datasets*"):
        page.get_by_label("Dataset", exact=True).check()
    assert tenant.http.get("/v1/datasets").json()["items"] == []


def test_a_zip_is_read_by_the_server(api: Api, page: Page, tenant: Tenant, tmp_path: Path) -> None:
    archive = tmp_path / "shelf.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in photographs(tmp_path / "shelf", 2):
            file.write(path, path.name)
    looked_at(page, "/dashboard/new")
    choose(page, archive)
    expect(page.get_by_text("the archive shelf.zip")).to_be_visible()
    upload(page)
    expect(page.get_by_text("The server reads the files")).to_be_visible()
    (dataset,) = tenant.http.get("/v1/datasets").json()["items"]
    list_dataset(api.engine, uuid.UUID(dataset["id"]), (), InputLimits(), store=api.store)
    expect(page.get_by_text("Uploaded: 2 images.")).to_be_visible()


def test_frames_of_a_video_are_uploaded(page: Page, tenant: Tenant, tmp_path: Path, pictures: Path) -> None:
    (picture,) = photographs(tmp_path / "shelf", 1)
    video = tmp_path / "clip.mp4"
    video.write_bytes(filmed(frames=25))
    looked_at(page, "/dashboard/new")
    choose(page, picture, video)
    expect(page.get_by_role("row", name="clip.mp4")).to_contain_text("choose its frames below")
    ways = page.get_by_label("Frames to take")
    ways.select_option("One every few seconds, of videos")
    expect(page.get_by_text("Chosen: 1 image, 1 with frames")).to_be_visible()
    upload(page)
    expect(page.get_by_role("alert").filter(has_text="state one of every, count and every_seconds")).to_be_visible()
    seconds = page.get_by_label("Seconds between two frames")
    seconds.fill("0")
    upload(page)
    expect(seconds).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="greater than or equal to 0.001")).to_be_visible()
    assert tenant.http.get("/v1/datasets").json()["items"] == []
    seconds.fill("0.4")
    page.get_by_label("At most, of each file").fill("2")
    upload(page)
    expect(page.get_by_text("Uploaded: 3 images.")).to_be_visible()
    (dataset,) = tenant.http.get("/v1/datasets").json()["items"]
    assert dataset["frames"] == {"every_seconds": 0.4, "most": 2}
    expect(page.locator(".chosen")).to_contain_text("1 frame every 0.4 s, at most 2 of a file")
    page.screenshot(path=pictures / "new-frames.png", full_page=True)


def test_an_interrupted_upload_keeps_its_choice_of_frames(page: Page, tenant: Tenant) -> None:
    open_one = tenant.http.post("/v1/datasets", json={"source": "upload", "frames": {"every": 5, "most": 9}}).json()
    looked_at(page, f"/dashboard/new?upload={open_one['id']}")
    expect(page.get_by_text("An upload was interrupted")).to_be_visible()
    page.get_by_text("Frames of videos, animations and TIFFs").click()
    expect(page.get_by_label("Take one of so many frames")).to_have_value("5")
    expect(page.get_by_label("At most, of each file")).to_be_disabled()


def test_frames_of_a_folder_of_the_server(page: Page, tenant: Tenant, folder: Path) -> None:
    (folder / "clip.gif").write_bytes(animated("GIF"))
    looked_at(page, "/dashboard/new")
    page.get_by_label("Source on the server").check()
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_text("Frames of videos, animations and TIFFs").click()
    page.get_by_label("Frames to take").select_option("Some, spread evenly")
    amount = page.get_by_label("Frames of each file")
    amount.fill("2.5")
    page.get_by_role("button", name="Make the dataset").click()
    expect(amount).to_have_attribute("aria-invalid", "true")
    amount.fill("2")
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.get_by_text("entries read").or_(page.get_by_text("reads the source"))).to_be_visible()
    (dataset,) = tenant.http.get("/v1/datasets").json()["items"]
    assert dataset["frames"] == {"count": 2}


def test_a_dropped_folder_keeps_its_structure(page: Page, tenant: Tenant) -> None:
    """Drop by script: a real drop of a folder needs a window system."""
    looked_at(page, "/dashboard/new")
    file = io.BytesIO()
    Image.new("RGB", (32, 24)).save(file, "png")
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector(".drop").dispatchEvent(drop);
        }""",
        list(file.getvalue()),
    )
    expect(page.get_by_text("Chosen: 1 image,")).to_be_visible()
