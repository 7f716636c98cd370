"""The page for a new job: upload, choice, estimate, errors at their fields, submission, and a rerun."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from fixtures.api.pullable import ChangedSettings, record, settings
from fixtures.api.running_api import MAX_IMAGE_BYTES, Api, Tenant
from fixtures.images.animations import animated
from fixtures.images.videos import filmed
from fixtures.models.weight_archives import WEIGHTS
from fixtures.servers.chromium import looked_at
from fixtures.servers.file_server import FileServer, Served
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.datasets.service import InputLimits
from samfleet.jobs.listing import list_dataset
from samfleet.pulls.work import run_pull
from samfleet.variants.record import VariantRecord

__all__ = ["record", "settings"]

pytestmark = pytest.mark.browser


def photographs(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (32, 24), (90, 10 * number, 7)).save(path)
    return paths


def choose(page: Page, *paths: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(list(paths))


def upload(page: Page) -> None:
    page.get_by_role("button", name="Upload", exact=True).click()


def choose_variant(page: Page, name: str) -> None:
    page.get_by_label("Filter").fill(name)
    page.locator(f"#new-variant-{name}").check()


def submitted(page: Page, tenant: Tenant) -> dict[str, Any]:
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/dashboard/jobs/*")
    job: dict[str, Any] = tenant.http.get("/v1/jobs").json()["items"][0]
    return job


def test_a_person_uploads_images_and_submits_a_job(page: Page, tenant: Tenant, tmp_path: Path) -> None:
    looked_at(page, "/dashboard/new")
    expect(page.get_by_role("button", name="Submit job")).to_be_disabled()
    choose(page, *photographs(tmp_path / "shelf", 5))
    expect(page.get_by_text("Chosen: 5 images")).to_be_visible()
    upload(page)
    expect(page.get_by_text("Uploaded: 5 images.")).to_be_visible()
    choose_variant(page, "mobile_sam")
    page.get_by_label("Name", exact=True).fill("shelves, by hand")
    page.get_by_label("Labels").fill("team:shelves, round:2")
    page.get_by_text("Advanced").click()
    page.get_by_label("points per side", exact=True).fill("16")
    expect(page.get_by_text("not measured yet").first).to_be_visible()
    job = submitted(page, tenant)
    assert (job["name"], job["labels"]) == ("shelves, by hand", {"team": "shelves", "round": "2"})
    assert job["task"] == {"kind": "everything", "points_per_side": 16}
    assert job["counts"]["total"] == 5


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


def test_variants_have_their_measured_speed_on_each_pool(reader: Page, measured: Tenant) -> None:
    params = {"group_by": ["variant", "pool"]}
    rows = measured.http.get("/v1/reports/throughput", params=params).json()["rows"]
    for pool in ("default", "other"):
        (row,) = [one for one in rows if (one["variant"], one["pool"]) == ("sam_vit_b", pool)]
        looked_at(reader, f"/dashboard/new?pool={pool}&variant=sam_vit_b")
        speed = f"{row['images_per_second']:.{2 if row['images_per_second'] < 10 else 1}f} images/s"
        expect(reader.get_by_role("row", name="sam_vit_b")).to_contain_text(f"{pool}: {speed}")
    expect(reader.get_by_role("row", name="tinysam")).to_contain_text("other: not measured yet")


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


def test_a_folder_of_the_server_or_the_error_at_its_field(page: Page, tenant: Tenant, folder: Path) -> None:
    for number in range(3):
        Image.new("RGB", (32, 24)).save(folder / f"{number}.png")
    looked_at(page, "/dashboard/new")
    page.get_by_label("Source on the server").check()
    place = page.get_by_label("Folder", exact=True)
    place.fill("/etc")
    page.get_by_role("button", name="Make the dataset").click()
    expect(place).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="is not under an allowed folder")).to_be_visible()
    place.fill(str(folder))
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.locator(".chosen")).to_contain_text(f"{folder.name}: 3 images")


def test_errors_stand_at_their_fields(page: Page, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    looked_at(page, f"/dashboard/new?dataset={job['dataset_id']}&variant=mobile_sam")
    labels = page.get_by_label("Labels")
    labels.fill("-bad-:x")
    expect(labels).to_have_attribute("aria-invalid", "true")
    labels.fill("team:shelves")
    expect(labels).not_to_have_attribute("aria-invalid", "true")
    priority = page.get_by_label("Priority")
    priority.fill("12")
    expect(priority).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="less than or equal to 9")).to_be_visible()
    priority.fill("5")
    page.get_by_label("A mask for each annotated box").check()
    expect(page.get_by_role("alert").filter(has_text="has no annotations to take prompts from")).to_be_visible()


def test_a_job_runs_again_with_changes(api: Api, page: Page, tenant: Tenant, folder: Path) -> None:
    task = {"kind": "everything", "points_per_side": 8, "tile": {"size": 512}}
    labels = {"team": "shelves"}
    job = new_job(tenant, folder, name="shelves", notes="for week 48", task=task, labels=labels, priority=7)
    carry_out(api, job)
    looked_at(page, f"/dashboard/new?from={job['id']}")
    expect(page.get_by_label("Name", exact=True)).to_have_value("shelves")
    expect(page.locator("aside")).to_contain_text("1 earlier run")
    expect(page.locator("aside")).to_contain_text("3 images")
    choose_variant(page, "repvit_sam")
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("Notes").fill("")
    again = submitted(page, tenant)
    assert again["parent_id"] == job["id"]
    assert (again["name"], again["notes"]) == (None, None)
    assert again["task"] == job["task"]
    assert (again["labels"], again["priority"]) == ({"team": "shelves"}, 7)
    assert sorted(run["variant"] for run in again["runs"]) == ["mobile_sam", "repvit_sam"]


def test_a_link_shows_the_same_choice(page: Page, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    looked_at(page, f"/dashboard/new?dataset={job['dataset_id']}&variant=mobile_sam")
    page.get_by_label("other", exact=False).first.check()
    page.get_by_text("Advanced").click()
    page.get_by_label("sampler", exact=True).select_option("hierarchical")
    page.get_by_label("hierarchical coarse factor").fill("2")
    page.wait_for_url("**hierarchical_coarse_factor**")
    looked_at(page, page.url)
    expect(page.locator("#new-pool-other")).to_be_checked()
    expect(page.get_by_label("sampler", exact=True)).to_have_value("hierarchical")
    expect(page.get_by_label("hierarchical coarse factor")).to_have_value("2")


def test_the_generator_has_the_ranges_and_defaults_of_the_api(api: Api, page: Page, tenant: Tenant) -> None:
    schema = api.app.openapi()["components"]["schemas"]["SubmitJob"]["properties"]["task"]["oneOf"][0]["properties"]
    looked_at(page, "/dashboard/new")
    page.get_by_text("Advanced").click()
    for name in ("points_per_side", "box_nms_thresh", "crop_n_layers"):
        field = page.get_by_label(name.replace("_", " "), exact=True)
        for attribute, key in (("min", "minimum"), ("max", "maximum"), ("placeholder", "default")):
            assert float(field.get_attribute(attribute) or "nan") == pytest.approx(schema[name][key], abs=1e-4)
    expect(page.get_by_label("detection score thresh")).to_have_count(0)  # of another sampler


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


def test_missing_weights_are_pulled(
    api: Api, page: Page, tenant: Tenant, settings: ChangedSettings, record: VariantRecord, file_server: FileServer
) -> None:
    file_server.files["/tiny.pt"] = Served(b"gone", 404)
    looked_at(page, "/dashboard/new")
    page.get_by_label("Filter").fill(record.name)
    row = page.get_by_role("row", name=record.name)
    expect(row).to_contain_text("missing")
    pull = page.get_by_role("button", name=f"Pull the weights of {record.name}")
    pull.click()
    expect(row).to_contain_text("Waits for the server.")
    run_pull(api.engine, record, settings.weights_dir, ())  # as the control worker does
    expect(row).to_contain_text("weights_unavailable")
    file_server.files["/tiny.pt"] = Served(WEIGHTS)
    pull.click()
    expect(row).to_contain_text("Waits for the server.")
    page.get_by_role("button", name=f"Cancel the pull of {record.name}").click()
    expect(row).to_contain_text("Cancelled.")
    pull.click()
    expect(row).to_contain_text("Waits for the server.")
    run_pull(api.engine, record, settings.weights_dir, ())
    expect(row).to_contain_text("present")
    expect(pull).to_have_count(0)
