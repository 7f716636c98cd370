"""A person without the command line, in a real Chromium on the whole stack: from dropped photographs to an export."""

from __future__ import annotations

import base64
import os
import re
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from fixtures.models.shared_data import shared_path
from fixtures.servers.chromium import PHONE, chromium, log_in, looked_at, visitor
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet

pytestmark = [pytest.mark.heavy, pytest.mark.browser, pytest.mark.timeout(900)]

COUNT = 12
JOB_ENDS_MS = 300_000  # twelve photographs with MobileSAM on two busy cores
DROP = """([files]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    }
    return transfer;
}"""


def drop(page: Page, photographs: list[Path]) -> None:
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in photographs]
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": page.evaluate_handle(DROP, [files])})


def pictured(page: Page, folder: Path, name: str) -> None:
    """Save the page in light, dark and as on a phone, and check each with axe."""
    size = page.viewport_size
    assert size is not None
    for look in ("light", "dark", "phone"):
        page.emulate_media(color_scheme="dark" if look == "dark" else "light")
        if look == "phone":
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        assert [one["id"] for one in Axe().run(page).response["violations"]] == [], (name, look)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme="light")


def submit(page: Page, photographs: list[Path], pictures: Path) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="New job").click()
    looked_at(page, page.url)
    drop(page, photographs)
    expect(page.get_by_text(f"Chosen: {COUNT} images")).to_be_visible()
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text(f"Uploaded: {COUNT} images.")).to_be_visible()
    for variant in ("mobile_sam", FIXED):
        page.get_by_label("Filter").fill(variant)
        page.locator(f"#new-variant-{variant}").check()
    page.get_by_label("Name", exact=True).fill("twelve photographs")
    page.get_by_text("Advanced").click()
    page.get_by_label("points per side", exact=True).fill("4")
    pictured(page, pictures, "new-job")
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/dashboard/jobs/*")
    expect(page.locator(".head").first).to_contain_text("completed", timeout=JOB_ENDS_MS)


def compare(page: Page, pictures: Path) -> None:
    page.get_by_role("link", name="Compare the masks of the runs").click()
    expect(page.locator(".view")).to_have_count(2)
    page.get_by_role("button", name="Compare all images").click()
    expect(page.locator(".compare-sums")).to_contain_text("Agreement")
    expect(page.locator(".compare-row").first).to_be_visible()
    pictured(page, pictures, "compare")


def reject(page: Page, pictures: Path) -> None:
    """Reject the first mask of the first image of the `FIXED` run."""
    page.get_by_role("button", name=f"Review: {FIXED}").click()
    page.wait_for_url("**/images/*")
    panel = page.get_by_role("region", name="Review")
    page.get_by_role("grid", name="Masks").get_by_role("row").nth(1).click()
    panel.get_by_role("button", name="Reject", exact=True).click()
    expect(panel).to_contain_text("1 rejected")
    expect(panel.get_by_role("status")).to_have_text("Saved")
    pictured(page, pictures, "review")


def exported(page: Page, name: str) -> Path:
    """Build the file of a format and download it."""
    section = page.locator("#exports")
    card = section.locator(f"[data-format={name}]")
    if not card.is_visible():
        section.locator("details", has=page.locator(f"[data-format={name}]")).locator("summary").first.click()
    card.get_by_role("button").click()
    row = section.locator("[data-export]").filter(has_text=f".{name}.")
    expect(row).to_contain_text("completed")
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    return download.value.path()


def test_photographs_are_dropped_segmented_compared_reviewed_exported_and_deleted(
    samfleet: Samfleet, tmp_path: Path
) -> None:
    photographs = sorted(shared_path("data/coco_dev/images").iterdir())[:COUNT]
    pictures = Path(os.environ.get("BROWSER_SCREENSHOTS", tmp_path / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, visitor(browser, samfleet.info.api_url) as page:
        log_in(page, samfleet.info.api_key)
        submit(page, photographs, pictures)
        job = page.url
        pictured(page, pictures, "job")
        compare(page, pictures)
        looked_at(page, job)
        reject(page, pictures)
        looked_at(page, job)
        section = page.locator("#exports")
        section.get_by_label("Run").select_option(FIXED)
        section.get_by_text("Options for all formats").click()
        section.get_by_label("review state").select_option("rejected")
        rejected = exported(page, "cvat").read_text()
        assert len(re.findall("<mask |<polygon ", rejected)) == 1
        section.get_by_label("review state").select_option("all")
        with zipfile.ZipFile(exported(page, "yolo")) as archive:
            labels = [name for name in archive.namelist() if name.startswith("labels/") and name.endswith(".txt")]
            lines = sum(len(archive.read(name).decode().splitlines()) for name in labels)
        assert (len(labels), lines) == (COUNT, COUNT * FIXED_MASKS)
        pictured(page, pictures, "exports")
        page.get_by_role("button", name="Delete the job").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("To confirm, type delete 1").fill("delete 1")
        dialog.get_by_role("button", name="Delete 1 job").click()
        expect(dialog).to_contain_text("1 job deleted.")
    assert "twelve photographs" not in samfleet("jobs", "list", "--json").stdout
