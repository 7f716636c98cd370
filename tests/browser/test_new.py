"""The page for a new job: upload, choice, estimate, errors at their fields, submission, and a rerun."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from fixtures.api.pullable import ChangedSettings, record, settings
from fixtures.api.running_api import Api, Tenant
from fixtures.models.weight_archives import WEIGHTS
from fixtures.servers.chromium import looked_at
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.new_job_page import choose, choose_variant, photographs, submitted, upload
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.pulls.work import run_pull
from samfleet.variants.record import VariantRecord

__all__ = ["record", "settings"]

pytestmark = pytest.mark.browser


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


def test_variants_have_their_measured_speed_on_each_pool(reader: Page, measured: Tenant) -> None:
    params = {"group_by": ["variant", "pool"]}
    rows = measured.http.get("/v1/reports/throughput", params=params).json()["rows"]
    for pool in ("default", "other"):
        (row,) = [one for one in rows if (one["variant"], one["pool"]) == ("sam_vit_b", pool)]
        looked_at(reader, f"/dashboard/new?pool={pool}&variant=sam_vit_b")
        speed = f"{row['images_per_second']:.{2 if row['images_per_second'] < 10 else 1}f} images/s"
        expect(reader.get_by_role("row", name="sam_vit_b")).to_contain_text(f"{pool}: {speed}")
    expect(reader.get_by_role("row", name="tinysam")).to_contain_text("other: not measured yet")


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
    labels = {
        "points_per_side": "points per side",
        "box_nms_thresh": "NMS threshold of boxes",
        "crop_n_layers": "layers of crops",
    }
    for name, label in labels.items():
        field = page.get_by_label(label, exact=True)
        expect(page.get_by_title(name, exact=True).filter(has=field)).to_be_visible()
        for attribute, key in (("min", "minimum"), ("max", "maximum"), ("placeholder", "default")):
            assert float(field.get_attribute(attribute) or "nan") == pytest.approx(schema[name][key], abs=1e-4)
    expect(page.get_by_label("detection score thresh")).to_have_count(0)  # of another sampler


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
